"""Leaves out what a sentence says about another metric: last year's, a baseline's, one that is not used."""

from __future__ import annotations

import re

_BEFORE = (
    r"(?:last|previous|prior|past|earlier|preceding|former|first|sister|companion|original|other|another"
    r"|similar|many|most|some|older)"
)
_EVENT = (
    r"(?:year|edition|season|round|challenge|competition|contest|iteration|version|phase|stage|instalment"
    r"|installment|task|track|benchmark|paper|stud(?:y|ies)|work|kernel|notebook|leaderboard|team|people"
    r"|participant|kaggler|practitioner|author)(?:s)?"
)
# a clause that begins like this speaks of something else
_OPENS_OTHER = re.compile(
    r"(?:\W|and |but )*(?:unlike|in contrast (?:to|with)|contrary to|as opposed to|compared (?:to|with)"
    r"|in comparison|different(?:ly)? from|rather than|instead of|in place of|whereas|although|even though"
    r"|though|while|despite|other than|not )\b"
)
# a clause with these words speaks of something else
_IS_OTHER = re.compile(
    rf"\b{_BEFORE} (?:\w+ )?{_EVENT}\b(?! (?:uses|is scored|is evaluated) here)"
    r"|\bin (?:19|20)\d\d\b.*\b(?:was|were|used|had)\b|\b(?:was|were|used|had)\b.*\bin (?:19|20)\d\d\b"
    r"|\b(?:used to|formerly|previously(?! un)|historically|traditionally|originally)\b"
    r"|\bties?(?: ?break\w*)?\b|\b(?:secondary|informational|auxiliary) (?:metric|measure|score)"
    r"|\bfor (?:your )?(?:information|reference|comparison)\b|\balso (?:report|show|display|publish|list)"
    r"|\b(?:not|\w+n t|never|no longer|cannot) (?:be |been )?(?:use|evaluat|scor|measur|rank|consider|count"
    r"|appl|judg|comput|rely|care|part\b|based)"
    r"|\b(?:would|could|may|might) (?:be|have|help|seem|look|also)\b"
    r"|\b(?:misleading|inappropriate|unsuitable|tempting|not (?:appropriate|suitable|meaningful))\b"
    r"|\b(?:baseline|benchmark|starter|naive|random|constant|dummy|winning) "
    r"(?:\w+ ){0,2}(?:reach|achiev|obtain|attain|yield|got|gets|scores?\b|scored|has|had|gave|gives)"
    r"|\b(?:reach|achiev|obtain|attain)\w* (?:an? )?(?:\w+ ){0,3}of (?:about |around |only )?\d"
)
_CONTINUES = re.compile(r"(?:which|where|that|who|whose|when|and used|using|used|based)\b")
_INLINE = (
    r"(?:rather|other|more|less|better|worse|stricter|different) than (?:\w+ ?){1,6}?"
    r"(?=\bbut\b|\bso\b|$|[.;,])",
    r"(?:instead|in place) of (?:\w+ ?){1,6}",
    r"\bnot (?:by|on|with|using|the|an?|just|only|merely)? ?(?:\w+ ?){1,5}?(?= but\b|$)",
    r"\b(?:such as|e\.g\.|for example|for instance|like) (?:the )?(?:\w+ ?){1,5}",
    r"\b(?:moved?|switch(?:ed)?|changed?) (?:\w+ ){0,3}?from .*? to\b",
    r"^.*\b(?:has|have|had|was|were|is|are) (?:been )?(?:replaced|superseded) (?:by|with)\b",
    r"\breplac(?:es|ing|ed) (?:the )?(?:\w+ ?){1,5}",
)
_JOINT = re.compile(r"([,;—]|\s\()")


def evidence(text: str) -> str:
    """The parts of a plain sentence that speak of this competition's metric."""
    kept: list[str] = []
    other = False
    for part in _clauses(text):
        words = part.lstrip(",;—( ")
        if _OPENS_OTHER.match(words) or _IS_OTHER.search(words):
            other = True
        elif not (other and _CONTINUES.match(words)):
            other = False
        if not other:
            kept.append(part)
    found = "".join(kept)
    for pattern in _INLINE:
        found = re.sub(pattern, " ", found)
    return re.sub(r"\s+", " ", found).strip(" ,;—")


def _clauses(text: str) -> list[str]:
    """Clauses with the mark that begins each."""
    text = re.sub(
        r" (?=(?:but|whereas|although|even though|though|while|unlike|so we|so the|yet) )", " , ", text
    )
    pieces = _JOINT.split(text)
    return [pieces[0], *(mark + piece for mark, piece in zip(pieces[1::2], pieces[2::2], strict=True))]
