"""`make compare HUB=url`: LocalHub beside a hub that runs, request for request and program for program."""
