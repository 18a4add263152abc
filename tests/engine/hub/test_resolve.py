"""What a repository holds, asked with the hub's real client in its own process; tokens; the starters."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from studio.core.hub import NetworkProblem, RemoteFile, Repository, is_safe_path
from studio.engine.hub.resolve import clean_name, list_repository
from studio.engine.hub.starters import load_starters
from studio.engine.hub.tokens import TokenSafe
from tests.engine.hub.hub_emulator import COMMIT, Hub

NAME = "someone/model"


def test_the_real_client_lists_a_repository() -> None:
    with Hub({NAME: {"config.json": b"{}", "w.safetensors": b"x" * 99}}) as hub:
        found = list_repository(f"https://hub.example/{NAME}/tree/main", endpoint=hub.url)
    assert (found.id, found.revision, found.licence, found.endpoint) == (NAME, COMMIT, "openrail++", hub.url)
    assert [(file.path, file.size, len(file.sha256)) for file in found.files] == [
        ("config.json", 2, 0),
        ("w.safetensors", 99, 64),
    ]
    assert all(request.authorization == "" for request in hub.requests)


def test_the_clients_refusals_in_words() -> None:
    with Hub({NAME: {}}, token="hf_right") as hub:
        with pytest.raises(NetworkProblem, match="knows no"):
            list_repository(NAME, endpoint=hub.url)
        with pytest.raises(NetworkProblem, match="does not accept the token") as caught:
            list_repository(NAME, endpoint=hub.url, token="hf_wrong_and_secret")
        assert "hf_wrong_and_secret" not in f"{caught.value} {caught.value.detail}"
        assert list_repository(NAME, endpoint=hub.url, token="hf_right").files == ()
    with pytest.raises(NetworkProblem, match="cannot be reached"):
        list_repository(NAME, endpoint=hub.url)  # nobody is there any more


@pytest.mark.parametrize("text", ["", "model", "../etc/passwd", "a b/c", "someone/", "<b>/x"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(NetworkProblem, match="is not the name of a repository"):
        clean_name(text)


def repository(*paths: str) -> Repository:
    return Repository(id=NAME, revision=COMMIT, files=tuple(RemoteFile(path=path, size=1) for path in paths))


def test_what_it_takes_to_use_a_repository() -> None:
    pipeline = repository(
        "model_index.json", "README.md", "v1-5.ckpt", "v1-5.safetensors", "unet/config.json", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors", "safety_checker/model.safetensors", "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
    )  # fmt: skip
    assert [file.path for file in pipeline.whole_model()] == [
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors", "tokenizer/merges.txt", "scheduler/scheduler_config.json",
    ]  # fmt: skip
    part = repository(
        "config.json", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors", "images/x.json"
    )
    assert [file.path for file in part.whole_model()] == ["config.json", "diffusion_pytorch_model.safetensors"]
    tiny = repository("config.json", "diffusion_pytorch_model.safetensors", "taesd_decoder.safetensors", "README.md")
    assert [file.path for file in tiny.whole_model()] == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert repository("a.safetensors", "b.safetensors").whole_model() == ()
    assert len(repository("a.safetensors", "a.bin").whole_model()) == 1
    assert repository("config.json", "pytorch_model.bin").whole_model() == ()  # nothing that is safe
    assert [file.path for file in part.choice(("config*",))] == ["config.json"]
    with pytest.raises(NetworkProblem, match="no file named"):
        part.choice(("absent.safetensors",))


def test_the_token_lies_where_only_the_artist_can_read(tmp_path: Path) -> None:
    safe = TokenSafe(tmp_path / "sub" / "hub-token")
    assert safe.read() == ""
    assert safe.keep("hf_secret") == "file" and safe.read() == "hf_secret"
    assert stat.S_IMODE(os.stat(tmp_path / "sub" / "hub-token").st_mode) == 0o600
    assert safe.keep("") == "" and safe.read() == "" and os.listdir(tmp_path / "sub") == []


def test_a_keyring_is_used_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ring:
        kept: dict[tuple[str, str], str] = {}

        def set_password(self, service: str, user: str, word: str) -> None:
            self.kept[service, user] = word

        def get_password(self, service: str, user: str) -> str | None:
            return self.kept.get((service, user))

        def delete_password(self, service: str, user: str) -> None:
            del self.kept[service, user]

    monkeypatch.setattr("studio.engine.hub.tokens._keyring", Ring)
    safe = TokenSafe(tmp_path / "hub-token")
    assert safe.keep("hf_secret") == "keyring" and safe.read() == "hf_secret"
    assert os.listdir(tmp_path) == []


def test_the_starters_are_whole_and_name_no_host() -> None:
    starters = load_starters()
    text = (Path(__file__).parents[3] / "resources" / "models.json").read_text("utf-8")
    assert len({one.id for one in starters}) == len(starters) >= 25
    assert "://" not in text and json.loads(text)
    for one in starters:
        assert clean_name(one.repository) == one.repository and one.size > 0 and one.licence and one.about.endswith(".")
        assert all(is_safe_path(file, one.pickle) for file in one.files) and ".." not in one.into
