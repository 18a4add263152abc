"""Asks the hub what a repository holds, with the hub's own client. Runs as a process of its own: `python -m` this module.

The studio's process keeps that client switched off (HF_HUB_OFFLINE), so that no library can reach for the network by
itself. The question comes as JSON on standard input, token included: arguments and environment can be seen by others.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def answer(question: dict[str, Any]) -> dict[str, Any]:  # Any: JSON in and out
    """{"revision", "files", "licence", "gate"} of {"repository", "revision", "endpoint", "token"}, or {"error", "detail"}."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    api = HfApi(endpoint=question["endpoint"] or None, token=question["token"] or False)
    try:
        info = api.model_info(
            question["repository"], revision=question["revision"] or None, files_metadata=True, timeout=20
        )
    except GatedRepoError as error:
        return {"error": "gated", "detail": str(error)}
    except RevisionNotFoundError as error:
        return {"error": "revision", "detail": str(error)}
    except RepositoryNotFoundError as error:
        status = getattr(error.response, "status_code", 404)
        return {"error": "token" if status == 401 and question["token"] else "missing", "detail": str(error)}
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        return {"error": "token" if status in (401, 403) else f"status {status}", "detail": str(error)}
    except Exception as error:  # no name, no line, a time-out: the client's transport raises many kinds
        kind = "name" if type(error).__name__ == "HFValidationError" else "line"
        return {"error": kind, "detail": f"{type(error).__name__}: {error}"}
    card = info.card_data
    files = [
        {"path": file.rfilename, "size": file.size or 0, "sha256": file.lfs.sha256 if file.lfs else ""}
        for file in info.siblings or ()
    ]
    licence = getattr(card, "license_name", None) or getattr(card, "license", None) or ""
    gate = info.gated if isinstance(info.gated, str) else ""
    return {"revision": info.sha or "", "files": files, "licence": str(licence), "gate": gate, "endpoint": api.endpoint}


def main() -> None:
    """One question, one answer."""
    print(json.dumps(answer(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
