"""The report as a reader has it: opened in a browser without a network."""

import json
from dataclasses import replace

import numpy as np
import pytest

from visualizer.figures.classes import classes
from visualizer.report.clips import STEPS
from visualizer.view import axes, present, turned

CHARTS = ("loss", "top1", "lr", "confusion", "calibration", "lengths", "persons", "supports")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
HOSTILE = (
    "<script>document.body.id='hurt'</script>",
    "</script><script>document.body.id='hurt'</script>",
    "\"'><img class=hurt src=x onerror=\"document.body.id='hurt'\">",
    "<b class=hurt>bold</b> <a class=hurt href='javascript:alert(1)'>link</a>",
    "%{x} ${title} $title var(--accent) &lt;i class=hurt&gt; <!-- {{1}}",
    "A" * 300,
)


def draw_all(page):
    """Scrolls until everything is drawn."""
    for name in CHARTS:
        if page.locator(f"[data-chart={name}]").count():
            page.locator(f"[data-chart={name}]").scroll_into_view_if_needed()
            page.locator(f"[data-chart={name}] .main-svg").first.wait_for()
    for name in ("#player", "#body-map"):
        if page.locator(name).count():
            page.locator(name).scroll_into_view_if_needed()
            page.locator(f"{name} > *").first.wait_for()


def picture(page, place=".stage canvas"):
    return page.locator(place).first.evaluate("canvas => canvas.toDataURL()")


def column(page, table, number):
    return page.locator(f"[data-table={table}] tbody tr:visible td:nth-child({number})").all_inner_texts()


def open_player(look, findings, **context):
    page = look(findings, **context)
    page.locator("#player").scroll_into_view_if_needed()
    page.locator(".stage canvas").wait_for()
    return page


@pytest.mark.parametrize(
    "what",
    [{}, {"dims": 2}, {"clips": 1, "last": None}, {"classes": 400, "clips": 450}],
    ids=["usual", "flat", "one clip", "400 classes"],
)
def test_everything_is_drawn_and_nothing_is_nan(look, make_findings, what):
    page = look(make_findings(**what), charts=True)
    draw_all(page)
    assert page.locator(".main-svg").count() >= 5
    text = page.locator("body").inner_text()
    assert not [word for word in ("NaN", "undefined", "Infinity", "[object", "None") if word in text]
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_nothing_known_is_said_in_words(look, make_findings):
    page = look(make_findings(labels=np.full(40, -1), shown=(), importance=np.full((5, 25), np.nan), metrics=()))
    text = page.locator("main").inner_text()
    for said in ("No clip's class is known", "No clips were chosen", "No class has a clip", "bare checkpoint"):
        assert said in text


def test_clips_without_labels_or_maps_are_shown(look, make_findings):
    found = make_findings()
    shown = [replace(each, activation={}) for each in found.shown]
    page = open_player(look, make_findings(labels=np.full(40, -1), shown=shown))
    assert page.locator(".list h4").all_inner_texts() == ["Of no known class"]
    assert page.locator(".legend").is_hidden()
    assert "no class activation maps" in page.locator("#clips").inner_text()


def test_heads_sort_both_ways_and_what_is_unknown_is_last(look, make_findings):
    found = make_findings(classes=12, clips=10)
    page, head = look(found), "[data-table=classes] th:nth-child(4)"
    recalls = [row.recall for row in classes(found) if row.recall is not None]
    for expected in (sorted(recalls, reverse=True), sorted(recalls)):
        page.locator(f"{head} button").click()
        assert column(page, "classes", 4) == [*(f"{recall:.1%}" for recall in expected), "-", "-"]
    assert page.locator(head).get_attribute("aria-sort") == "ascending"
    page.locator("[data-table=classes] th:nth-child(2) button").press("Enter")
    assert column(page, "classes", 2) == sorted(found.classes)
    assert page.locator("[data-table=classes] th[aria-sort=none]").count() == 6


def test_filter_keeps_what_it_names(look, make_findings):
    page = look(make_findings(classes=12))
    page.locator("[data-filter=classes]").fill(" SIT ")
    assert column(page, "classes", 2) == ["sit down"]
    assert page.locator("[data-count=classes]").inner_text() == "1 of 12"
    page.locator("[data-filter=classes]").fill("")
    assert len(column(page, "classes", 2)) == 12


@pytest.mark.parametrize("dims", [2, 3])
def test_player_draws_the_joints_where_they_are(look, make_findings, dims):
    found = make_findings(dims=dims)
    page, clip = look(found), found.shown[0]
    script = "([m, t, v]) => { const s = new Skeleton(findings.player.clips[0]); return s.isThere(m, t, v) ? s.place(m, t, v, 0, 0) : null }"
    whole = turned(clip.joints, axes(found))[present(clip.joints, found)]
    middle = (whole.min(axis=0) + whole.max(axis=0)) / 2
    radius = np.abs(whole - middle).max()
    for m, t, v in ((0, 0, 0), (0, 7, 11), (0, 20, 3)):
        place = np.array(page.evaluate(script, [m, t, v]))[:dims] * radius + middle
        np.testing.assert_allclose(place, turned(clip.joints[m, t, v], axes(found)), atol=radius / STEPS)
    assert page.evaluate(script, [1, 0, 0]) is None  # there is one person


def test_player_plays_and_is_scrubbed(look, make_findings):
    page = open_player(look, make_findings())
    still = picture(page)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("before => document.querySelector('.stage canvas').toDataURL() !== before", arg=still)
    page.locator(".stage canvas").press("Space")
    assert page.get_by_role("button", name="Play", exact=True).is_visible()
    page.get_by_role("slider", name="frame").fill("0")
    first = picture(page)
    page.get_by_role("slider", name="frame").press("ArrowRight")
    assert picture(page) != first
    assert page.locator(".stage output").inner_text().startswith("1 /")


def test_player_turns_by_hand_and_by_keys(look, make_findings):
    page = open_player(look, make_findings())
    pictures, canvas = [picture(page)], page.locator(".stage canvas")
    for key in ("ArrowLeft", "ArrowUp"):
        canvas.press(key)
        pictures.append(picture(page))
    canvas.drag_to(canvas, source_position={"x": 200, "y": 200}, target_position={"x": 320, "y": 230})
    pictures.append(picture(page))
    assert len(set(pictures)) == 4
    page.get_by_role("button", name="Reset view").click()
    assert picture(page) == pictures[0]


def test_flat_clips_are_not_turned(look, make_findings):
    page = open_player(look, make_findings(dims=2))
    before = picture(page)
    page.locator(".stage canvas").press("ArrowLeft")
    assert picture(page) == before
    assert page.get_by_role("button", name="Reset view").count() == 0


def test_another_class_recolours_the_joints(look, make_findings):
    page = open_player(look, make_findings())
    before = picture(page)
    assert page.locator(".choice").text_content().startswith("predicted: ")
    page.locator(".choice label").nth(1).click()
    after = picture(page)
    page.locator(".choice label").nth(0).click()
    assert picture(page) == before != after


def test_persons_are_shown_one_by_one(look, make_findings):
    page = open_player(look, make_findings(classes=12, clips=120))
    index = page.evaluate("findings.player.clips.findIndex(clip => clip.persons.length > 1)")
    page.locator(f"[data-clip='{index}']").click()
    page.get_by_role("slider", name="frame").fill("3")
    pictures = [picture(page)]
    for person in ("0", "1"):
        page.get_by_role("combobox", name="persons").select_option(person)
        pictures.append(picture(page))
    assert len(set(pictures)) == 3


def test_dark_is_dark_everywhere_and_stays(look, make_findings):
    page = open_player(look, make_findings(), charts=True)
    page.locator(".main-svg").first.wait_for()
    seen = "() => [getComputedStyle(document.documentElement).backgroundColor, document.querySelector('.xtick text').style.fill]"
    light, pictures = page.evaluate(seen), [picture(page), picture(page, ".picks canvas")]
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(seen)
    assert not set(light) & set(dark)
    assert not set(pictures) & {picture(page), picture(page, ".picks canvas")}
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark[0]
    assert page.get_by_role("button", name="Light").is_visible()


def test_dark_follows_the_system(look, make_findings):
    page = look(make_findings(), color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(19, 22, 25)"


def test_another_class_has_other_important_joints(look, make_findings):
    found = make_findings(classes=12, clips=11)
    page = look(found)
    page.locator("#body-map").scroll_into_view_if_needed()
    page.locator("#body-map circle").first.wait_for()
    assert page.locator("#body-map circle").count() == 25
    before = page.locator("#body-map ol").inner_text()
    assert before.startswith(found.layout.joints[int(found.importance[0].argmax())].replace("_", " "))
    page.locator("#body-class").select_option("3")
    assert page.locator("#body-map ol").inner_text() != before
    page.locator("#body-class").select_option("11")  # has no clip
    assert page.locator("#body-map circle").count() == 0
    assert "No clip of this class" in page.locator("#body-map").inner_text()


def test_hover_says_counts_and_nothing_is_shared_with_a_cloud(look, make_findings):
    found = make_findings()
    right = int((found.predicted == 0)[found.labels == 0].sum())
    page = look(found, charts=True)
    chart = page.locator("[data-chart=confusion]")
    chart.scroll_into_view_if_needed()
    chart.locator(".heatmaplayer image").wait_for()
    box = chart.locator(".heatmaplayer image").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    words = chart.locator(".hoverlayer .hovertext")
    words.wait_for()
    assert words.text_content() == f"true drink waterpredicted drink water{right} of 8 clips"
    titles = chart.locator(".modebar-btn").evaluate_all("all => all.map(each => each.dataset.title)")
    assert len(titles) == 4
    assert not [title for title in titles if "hare" in title or "loud" in title]


def test_hostile_names_are_names(look, make_findings):
    page = look(hostile(make_findings(classes=6, clips=60)), charts=True)
    draw_all(page)
    for card in page.locator(".picks button").all()[::6]:
        card.click()
    page.get_by_role("button", name="Pause").click()
    assert page.locator("#hurt, .hurt, [onerror]").count() == 0
    assert page.locator("script").count() == 9
    assert page.locator("main a, main img, main script").count() == 0
    assert set(column(page, "classes", 2)) == {" ".join(name.split()) for name in HOSTILE}
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    ticks = page.locator("[data-chart=confusion] .ytick text").all_text_contents()
    assert sorted(ticks) == sorted(name if len(name) < 27 else f"{name[:25]}…" for name in HOSTILE)


def hostile(found):
    """Everything that has a name is called something that would like to be markup."""
    names = {
        "classes": HOSTILE, "names": np.array([f"{HOSTILE[i % 6]} {i}" for i in range(len(found.names))]),
        "split": HOSTILE[0], "weights": HOSTILE[1], "chosen": HOSTILE[2], "commands": HOSTILE,
        "cost": [(name, name) for name in HOSTILE], "environment": {name: name for name in HOSTILE},
        "refused": {name: name for name in HOSTILE}, "left_out": dict.fromkeys(HOSTILE, 2),
    }  # fmt: skip
    joints = (*HOSTILE, *found.layout.joints[len(HOSTILE) :])
    return replace(found, **names, layout=replace(found.layout, name=HOSTILE[0], joints=joints))


def test_a_phone_never_scrolls_sideways(look, make_findings):
    page = look(make_findings(classes=60, clips=120, names=np.array(["N" * 90] * 120)), charts=True, **PHONE)
    draw_all(page)
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]


def test_keys_reach_everything(look, make_findings):
    page = look(make_findings())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.locator("#player").scroll_into_view_if_needed()
    page.locator(".stage canvas").focus()
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText")
        )
    assert {"Play", "frame", "speed", "Reset view"} <= set(reached)


def test_a_large_report_is_small_and_opens(look, make_findings, tmp_path):
    page = look(make_findings(classes=60, clips=16_487), charts=True)
    assert (tmp_path / "report.html").stat().st_size < 15e6
    timing = json.loads(page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
    print(f"{(tmp_path / 'report.html').stat().st_size / 1e6:.1f} MB, opened in {timing['loadEventEnd']:.0f} ms")
