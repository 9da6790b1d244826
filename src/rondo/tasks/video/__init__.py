"""Video activity: what somebody does, frame by frame, from joints or from pixels."""
