"""What a request is refused with: an HTTP status and one message with its cure."""

from __future__ import annotations

from http import HTTPStatus

from tornado.web import HTTPError

from cobra_jupyter.run.attach import AttachError

STATUS = {"Malformed": 400, "Unknown": 404, "Refused": 409, "TooLarge": 413, "Gone": 409, "Busy": 503}


class RequestError(HTTPError):
    """Raised wherever a request cannot be met; handlers answer `{"message", "reason"}`."""

    def __init__(self, status: int, message: str) -> None:
        message = message.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair breaks logs
        super().__init__(status, message, reason=HTTPStatus(status).phrase)
        self.message = message


def refusal_of(error: AttachError) -> RequestError:
    """What a runner refused, as HTTP has it."""
    return RequestError(STATUS.get(error.kind, 500), str(error))


def kind_of(status: int) -> str:
    """The kind of a refusal, as frames have it."""
    kinds = {number: kind for kind, number in STATUS.items() if kind != "Gone"}
    return kinds.get(status, "Refused")
