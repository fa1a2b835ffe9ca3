"""The error of a request that fails: an HTTP status and one message that says what to do."""

from __future__ import annotations

from http import HTTPStatus

from tornado.web import HTTPError

from cobra_jupyter.run.attach import AttachError

STATUS = {"Malformed": 400, "Unknown": 404, "Refused": 409, "TooLarge": 413, "Gone": 409, "Busy": 503}


class RequestError(HTTPError):
    """A request cannot be met. Handlers answer `{"message", "reason"}`."""

    def __init__(self, status: int, message: str) -> None:
        message = message.encode("utf-8", "backslashreplace").decode()  # lone surrogates break logging
        super().__init__(status, message, reason=HTTPStatus(status).phrase)
        self.message = message


def request_error(error: AttachError) -> RequestError:
    """Translates a runner's error to HTTP."""
    return RequestError(STATUS.get(error.kind, 500), str(error))


def kind_of(status: int) -> str:
    """Returns the error kind that a websocket frame has for an HTTP status."""
    kinds = {number: kind for kind, number in STATUS.items() if kind != "Gone"}
    return kinds.get(status, "Refused")
