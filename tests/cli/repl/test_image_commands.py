"""/image, the commands that add marks, /marks, /unmark, /pick."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.chat_session import FakeSession
from tests.support.images import animation, frame_grey, has_center_color
from tests.support.picker import Visit, fake_window
from vipllava_cli.cli.picker.keys import Outcome
from vipllava_cli.flows.chat.chat import IMAGE_CHANGED

AROUND_THE_IMAGE = "-200,-200,400,300"  # the line of this ellipse touches no pixel of 200x100


def test_marks_are_added_listed_and_removed_by_number(fake: FakeSession) -> None:
    assert fake.enter("/box 10,10,50,50", "/arrow blue:60,60,90,90") == (
        "1 box red:10,10,50,50\n2 arrow blue:60,60,90,90\n"
    )
    assert fake.enter("/marks") == "1 box red:10,10,50,50\n2 arrow blue:60,60,90,90\n"
    assert fake.enter("/unmark 1").endswith("200x100, blue arrow\n")
    assert fake.enter("/unmark all").endswith("200x100, no marks\n")
    assert fake.enter("/marks") == "no marks\n"


def test_a_mark_command_without_coordinates_shows_their_form(fake: FakeSession) -> None:
    assert fake.enter("/box") == "error: /box needs coordinates: /box [COLOUR:]X1,Y1,X2,Y2\n"
    assert fake.enter("/arrow 1,2,3").startswith("error: an arrow is X1,Y1,X2,Y2")
    assert fake.enter("/ellipse pink").startswith("error: an ellipse is X1,Y1,X2,Y2, each")
    assert fake.enter("/unmark") == (
        "error: /unmark needs a mark's number or all: /unmark N|all; /marks lists them\n"
    )
    assert fake.enter("/unmark red") == (
        "error: /unmark needs a mark's number or the word all, not 'red'; /marks lists the marks\n"
    )


def test_an_ellipse_around_the_complete_image_is_refused(fake: FakeSession) -> None:
    printed = fake.enter(f"/ellipse {AROUND_THE_IMAGE}")
    assert printed.startswith("error: the red ellipse touches no pixel of the image")
    assert fake.chat.state.marked_image.marks == ()


def test_a_small_mark_gets_a_note(fake: FakeSession) -> None:
    small = "the red box is smaller than one patch of the model's view"
    assert f"note: {small}: /set zoom on enlarges it\n" in fake.enter("/box 10,10,12,12")


def test_a_frame_of_an_animation_is_named_with_the_image(fake: FakeSession, tmp_path: Path) -> None:
    moving = tmp_path / "moving.gif"
    moving.write_bytes(animation())
    assert fake.enter(f"/image {moving}") == (
        f"note: {moving}: frame 1 of 3; /image PATH#frame=N chooses another\n"
        f"{moving}, 40x20, no marks\n"
    )
    assert fake.enter(f"/image {moving}#frame=3") == f"{moving}#frame=3, 40x20, no marks\n"
    assert has_center_color(fake.chat.state.marked_image.file.image, (frame_grey(2),) * 3)
    assert fake.enter(f"/image {moving}#frame=4").startswith(f"error: {moving} has 3 frames")
    assert fake.enter(f"/image {tmp_path}/movin.gif").endswith(f"did you mean {moving}?\n")


def test_another_image_keeps_the_turns(fake: FakeSession, tmp_path: Path) -> None:
    Image.new("RGB", (50, 60)).save(tmp_path / "other.png")
    printed = fake.enter("what?", f"/image {tmp_path / 'other.png'}")
    assert printed.startswith(f"note: {IMAGE_CHANGED}\n")
    assert printed.endswith("50x60, no marks\n")
    assert len(fake.chat.state.turns) == 1
    assert fake.enter("/image") == "error: /image needs a path: /image PATH\n"


def test_another_image_is_opened_and_asked_about(fake: FakeSession, tmp_path: Path) -> None:
    path = tmp_path / "an other.png"
    Image.new("RGB", (50, 60)).save(path)
    for text in (f'"{path}"', str(path), path.as_uri()):
        assert fake.enter(f"/image {text} what is it?").endswith("50x60, no marks\n")
    assert [turn.question for turn in fake.chat.state.turns] == ["what is it?"] * 3
    assert "there is no file missing.png:" in fake.enter("/image missing.png what is it?")


def test_a_mask_image_may_be_in_quotes_after_its_colour(fake: FakeSession, tmp_path: Path) -> None:
    path = tmp_path / "my mask.png"
    mask = Image.new("L", (200, 100))
    mask.paste(255, (20, 20, 80, 80))
    mask.save(path)
    for text in (f'blue:"{path}"', str(path).replace(" ", "\\ "), path.as_uri()):
        fake.enter(f"/mask {text}")
    assert [str(mark.color) for mark in fake.chat.state.marked_image.marks] == [
        "blue", "red", "lime",
    ]  # fmt: skip


def test_the_outline_of_a_mask_image_is_described_in_short(
    fake: FakeSession, tmp_path: Path
) -> None:
    path = tmp_path / "mask.png"
    mask = Image.new("L", (200, 100))
    mask.paste(255, (20, 20, 80, 80))
    mask.save(path)
    described = "1 mask red of 236 points within 20.5,20.5,79.5,79.5\n"
    assert fake.enter(f"/mask {path}") == described
    assert fake.enter("/marks") == described


def test_picked_boxes_have_the_width_and_alpha_of_the_settings(
    fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [(10, 10, 50, 50), (60, 20, 90, 70)]
    fake_window(monkeypatch, Visit(boxes))
    printed = fake.enter("/set width 9", "/set alpha 0.4", "/pick")
    assert printed.endswith("1 box red:10,10,50,50\n2 box lime:60,20,90,70\n")
    marks = fake.chat.state.marked_image.marks
    assert [(mark.bounds, mark.width, mark.alpha) for mark in marks] == [
        (box, 9, 0.4) for box in boxes
    ]


def test_pick_shows_the_marks_of_the_chat_and_adds_to_them(
    fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = fake_window(
        monkeypatch, Visit([(60, 20, 90, 70)], keys="e"), Visit([(1, 1, 9, 9)], Outcome.CANCEL)
    )
    printed = fake.enter("/box 10,10,50,50", "/pick")
    assert printed == "1 box red:10,10,50,50\n2 ellipse lime:60,20,90,70\n"
    assert [mark.shape for mark in window.states[0].before] == ["box"]
    assert fake.enter("/pick") == "cancelled: no mark added\n"
    assert len(fake.chat.state.marked_image.marks) == 2


@pytest.mark.parametrize("command", ["/show", "/view"])
def test_plain_sessions_show_no_images(fake: FakeSession, command: str) -> None:
    assert fake.enter(command).startswith("error: --plain shows no images")


def test_ctrl_c_cancels_the_window_and_not_the_chat(
    fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    fake_window(monkeypatch)
    monkeypatch.setattr("vipllava_cli.cli.picker.pick.pick_marks", interrupt)
    assert fake.enter("/pick") == "cancelled: no mark added\n"
