"""The lab: experiments with checks, a student's answers, reports, and the marking of a class."""
