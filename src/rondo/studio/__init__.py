"""The studio: a web application on this machine, for verse, text, cells and lessons. It holds no mathematics.

app      the application: pages, routes, errors
guard    what every request must pass: host, origin, size, time; the headers of every answer
queue    who is served when: a bounded line, and answers as JSON or as a stream of events
child    work on what people typed, in a process of its own with limits
models   the models that are loaded once
pages    hand-written pages in two languages
serve    the server and the browser
"""
