from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from babysit.data import image_files
from babysit.data.image_files import FolderImages, UnreadableFile, open_images
from babysit.errors import InputError

NAMES = [
    "b/2.PNG",
    "a/1.jpg",
    "a/10.webp",
    ".hidden/1.png",
    "a/.1.png",
    "a/Thumbs.db",
    "__MACOSX/a/1.jpg",
    "a/notes.txt",
]
IMAGES = ("a/1.jpg", "a/10.webp", "b/2.PNG")


def folder(root: Path) -> Path:
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("folder.png")
        for name in NAMES:
            file.writestr(name, name)
    return path


def test_folders_and_archives_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (folder(tmp_path / "folder"), archive(tmp_path / "images.zip")):
        with open_images(path) as files:
            assert files.paths == IMAGES
            assert [files.read(name) for name in files.paths] == [name.encode() for name in IMAGES]


def change_size(path: Path) -> None:
    path.write_bytes(b"longer content")


def change_time(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [change_size, change_time, Path.unlink, lambda p: p.rename(p.with_name("z.png"))])
def test_the_fingerprint_of_a_folder_changes_with_its_files(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder(tmp_path)
    before = FolderImages(tmp_path).fingerprint
    assert FolderImages(tmp_path).fingerprint == before
    change(tmp_path / "a/1.jpg")
    assert FolderImages(tmp_path).fingerprint != before


def test_links_are_followed_once(tmp_path: Path) -> None:
    folder(tmp_path / "real")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/cat").symlink_to(tmp_path / "real/a")
    (tmp_path / "root/cat/loop").symlink_to(tmp_path / "root")
    (tmp_path / "root/lost.png").symlink_to(tmp_path / "nowhere.png")
    with open_images(tmp_path / "root") as files:
        assert files.paths == ("cat/1.jpg", "cat/10.webp", "lost.png")
        assert files.fingerprint
        with pytest.raises(UnreadableFile, match="no such file"):
            files.read("lost.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "found an empty file"), (b"hello", "found a damaged one"), (b"PK\x03\x04rest", "found a damaged one")],
)
def test_damaged_archives_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"expected a zip archive of images, {message}"), open_images(path):
        pass


def test_truncated_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "images.zip")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="found a damaged one"), open_images(path):
        pass


def test_a_place_without_images_is_refused(tmp_path: Path) -> None:
    message = r"CIFAR-10's data_batch_1 .*, or class folders of images .* found none"
    with pytest.raises(InputError, match=message), open_images(tmp_path):
        pass
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with (
        pytest.raises(InputError, match=r"expected class folders of images .* found none"),
        open_images(tmp_path / "empty.zip"),
    ):
        pass


def test_members_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/1.png", b"the content of one")
        file.writestr("a/2.png", bytes(10_000))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"content of", b"CONTENT of"))
    monkeypatch.setattr(image_files, "LARGEST_FILE", 5_000)
    with open_images(path) as files:
        with pytest.raises(UnreadableFile, match="bad crc-32"):
            files.read("a/1.png")
        with pytest.raises(UnreadableFile, match="it inflates to more than"):
            files.read("a/2.png")


def test_a_locked_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "images.zip")
    content = bytearray(path.read_bytes())
    start = 0
    while (start := content.find(b"PK\x01\x02", start)) >= 0:  # set the encryption flag of every member
        content[start + 8] |= 1
        start += 4
    path.write_bytes(content)
    with open_images(path) as files, pytest.raises(UnreadableFile, match="encrypted"):
        files.read(files.paths[0])
