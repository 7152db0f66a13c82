"""The report as a reader has it: opened in a browser without a network."""

import json
from dataclasses import replace

import numpy as np
import pytest

from visualizer.figures.classes import classes
from visualizer.report.clips import STEPS
from visualizer.view import axes, present, scaled, turned

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


@pytest.mark.parametrize(("classes", "named"), [(10, 10), (27, 0)])
def test_a_phone_names_the_classes_of_a_heat_map_where_there_is_room(look, make_findings, classes, named):
    page = look(make_findings(classes=classes, clips=60), charts=True, **PHONE)
    chart = page.locator("[data-chart=confusion]")
    chart.scroll_into_view_if_needed()
    chart.locator(".heatmaplayer image").wait_for()
    assert chart.locator(".ytick text").count() == named


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


def sorted_by(page, table, number):
    """Presses a head; returns the keys of its column, in the order that the rows have then."""
    page.locator(f"[data-table={table}] th:nth-child({number}) button").click()
    return page.locator(f"[data-table={table}] tbody td:nth-child({number})").evaluate_all(
        "cells => cells.map(cell => cell.dataset.key)"
    )


def test_numbers_are_sorted_by_size_whatever_their_digits(look, make_findings):
    page = look(make_findings(classes=12, clips=700, shown=0))
    p_values, lows = sorted_by(page, "pairs", 6), sorted_by(page, "classes", 7)
    assert len({len(each) for each in p_values}) > 1  # 0.5 is more than 0.0625
    for found in (p_values, lows):
        assert found == sorted(found, key=float, reverse=True)


def test_filter_looks_at_names_alone(look, make_findings):
    page = look(make_findings(classes=12))
    page.locator("[data-filter=classes]").fill("%")
    assert column(page, "classes", 2) == []
    assert page.locator("[data-count=classes]").inner_text() == "0 of 12"


def test_another_clip_begins_with_its_own_prediction_and_all_persons(look, make_findings):
    page = open_player(look, make_findings(classes=12, clips=120))
    before, frame = picture(page), page.get_by_role("slider", name="frame").input_value()
    pair = page.evaluate("findings.player.clips.findIndex(clip => clip.persons.length > 1)")
    for clip in (pair, 1, 0):
        page.locator(f"[data-clip='{clip}']").click()
        page.locator(".stage canvas").press("Space")
        if clip == pair:
            page.get_by_role("combobox", name="persons").select_option("1")
        if clip == 1:
            page.locator(".choice label").nth(1).click()
    page.get_by_role("slider", name="frame").fill(frame)
    assert page.locator(".choice input").first.is_checked()
    assert picture(page) == before


def test_the_player_says_what_is_seen(look, make_findings):
    found = make_findings()
    shown = found.shown[0]
    frames = 7 + 3 * np.arange(len(shown.frames))
    page = open_player(look, replace(found, shown=[replace(shown, frames=frames), *found.shown[1:]]))
    true, predicted = int(found.labels[shown.index]), int(found.predicted[shown.index])
    shares = found.probabilities[shown.index]
    assert page.locator(".stage h3").inner_text() == str(found.names[shown.index])
    assert page.locator(".stage p").first.inner_text() == (
        f"True: {found.classes[true]}, {shares[true]:.1%}. Predicted: {found.classes[predicted]}, {shares[predicted]:.1%}."
    )
    page.get_by_role("slider", name="frame").fill("2")
    assert page.locator(".stage output").inner_text() == f"13 / {frames[-1]}"  # of the stored clip


def test_a_clip_of_which_frames_were_left_out_says_so(look, make_findings):
    found = make_findings(clips=1)
    shown = found.shown[0]
    long = replace(
        shown,
        joints=np.repeat(shown.joints, 6, axis=1),
        frames=np.arange(6 * len(shown.frames)),
        activation={k: np.repeat(each, 6, axis=1) for k, each in shown.activation.items()},
    )
    page = open_player(look, replace(found, shown=[long]))
    step = page.evaluate("findings.player.clips[0].step")
    assert step > 1 and f"every {step}th frame is shown" in page.locator(".stage p").first.inner_text()


STILL = """() => { window.frames_ = []; window.requestAnimationFrame = (draw) => frames_.push(draw); }"""
TICK = """(now) => { const due = frames_.splice(0); due.forEach((draw) => draw(now)); }"""


def test_a_clip_plays_at_its_own_pace_and_begins_again(look, make_findings):
    """30 stored frames a second: with every second one drawn, 15; the reader may ask for a half or the double."""
    found = make_findings()
    shown = found.shown[0]
    T = len(shown.frames)
    page = open_player(look, replace(found, shown=[replace(shown, frames=2 * shown.frames), *found.shown[1:]]))
    page.evaluate(STILL)
    page.get_by_role("slider", name="frame").fill("0")
    page.get_by_role("button", name="Play", exact=True).click()
    at = "Number(document.querySelector('.stage input').value)"
    for now, speed, expected in ((0, "1", 0), (1010, "1", 15), (2020, "2", 15 + 30), (2020 + 1000 * T / 30, "2", None)):
        page.get_by_role("combobox", name="speed").select_option(speed)
        page.evaluate(TICK, now)
        assert page.evaluate(at) == (45 % T if expected is None or expected >= T else expected)


DRAWN = """() => {
    const { arc, fill } = CanvasRenderingContext2D.prototype, drawn = window.drawn = [];
    CanvasRenderingContext2D.prototype.arc = function (...a) { drawn.push(a.slice(0, 3)); arc.apply(this, a); };
    CanvasRenderingContext2D.prototype.fill = function () { drawn.at(-1)?.push(this.fillStyle); fill.apply(this); };
}"""
PLACES = "t => { const s = new Skeleton(findings.player.clips[0]); return [...Array(25).keys()].map((v) => s.place(0, t, v, 0, 0.16)) }"


@pytest.mark.parametrize("view", [0, 1])
def test_joints_are_drawn_in_the_colour_and_size_of_their_activation_near_ones_last(look, make_findings, view):
    found = make_findings(persons=1)
    shown, t = found.shown[0], 5
    page = open_player(look, found)
    page.locator(".choice label").nth(view).click()
    page.evaluate(DRAWN)
    page.get_by_role("slider", name="frame").fill(str(t))
    x, y, size = np.array([joint[:3] for joint in page.evaluate("drawn")[-25:]]).T
    colours = [joint[3] for joint in page.evaluate("drawn")[-25:]]
    places = np.array(page.evaluate(PLACES, t))
    places, order = places[np.argsort(places[:, 2], kind="stable")], np.argsort(places[:, 2], kind="stable")
    np.testing.assert_allclose(
        np.diff(x) / np.diff(places[:, 0]), np.full(24, np.diff(x)[0] / np.diff(places[:, 0])[0])
    )
    np.testing.assert_allclose(
        np.diff(y), -np.diff(places[:, 1]) * np.diff(x)[0] / np.diff(places[:, 0])[0]
    )  # up is up
    maps = [shown.activation[int(k[shown.index])] for k in (found.predicted, found.labels)]
    values = scaled(np.stack(maps))[view][0, t, order]
    np.testing.assert_allclose(size / size.max(), (0.9 + 1.5 * values) / (0.9 + 1.5 * values.max()), atol=0.01)
    assert len(set(colours)) > 5 and colours[values.argmax()] != colours[values.argmin()]
    assert len({colour for colour, value in zip(colours, values, strict=True) if value == 0}) == 1


def test_turning_changes_no_distance(look, make_findings):
    page = look(make_findings())
    for yaw, pitch in ((0.0, 0.4), (0.7, 0.0), (-2.0, -1.5)):
        there = np.array(page.evaluate(f"turn(0.3, -0.5, 0.7, {yaw}, {pitch})"))
        back = np.array(page.evaluate(f"turn(-0.2, 0.1, 0.4, {yaw}, {pitch})"))
        assert there @ there == pytest.approx(0.83) and there @ back == pytest.approx(0.17)
    assert page.evaluate("turn(0, 0, 1, 0.5, 0)")[0] > 0  # by the right arrow, what is near goes to the right


def test_the_body_map_shows_the_chosen_class(look, make_findings):
    found = make_findings(classes=3)
    page = look(found)
    page.locator("#body-map").scroll_into_view_if_needed()
    page.locator("#body-class").select_option("2")
    values = 100 * found.importance[2] / found.importance[2].max()
    order = np.argsort(-values)
    names = [name.replace("_", " ") for name in found.layout.joints]
    listed = page.locator("#body-map li span:first-child").all_inner_texts()
    assert listed == [names[v] for v in order[:12]]
    assert page.locator("#body-map li b").all_inner_texts() == [f"{round(values[v])}" for v in order[:12]]
    told = page.locator("#body-map circle").evaluate_all(
        "all => all.map(each => [each.textContent, Number(each.getAttribute('r')), each.getAttribute('fill')])"
    )
    expected = {
        f"{name}: {round(value)}": 1.1 + 0.023 * round(value) for name, value in zip(found.layout.joints, values)
    }
    assert {words: radius for words, radius, _ in told} == pytest.approx(expected)
    assert [radius for _, radius, _ in told] == sorted(radius for _, radius, _ in told)  # the highest is drawn last
    assert len({fill for *_, fill in told}) > 5


def test_all_that_is_drawn_follows_the_system_while_one_reads(look, make_findings):
    page = open_player(look, make_findings())
    page.locator("#body-map").scroll_into_view_if_needed()
    circle = page.locator("#body-map circle").first
    before = picture(page), circle.get_attribute("fill")
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Light").wait_for()
    assert picture(page) != before[0] and circle.get_attribute("fill") != before[1]


def test_what_was_not_seen_yet_is_printed_too(look, make_findings):
    page = look(make_findings())
    assert page.locator("#body-map circle").count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#body-map circle").count() == 25
    assert page.locator("#player .stage").count() == 1


def test_the_navigation_marks_the_section_that_is_read(look, make_findings):
    page = look(make_findings())
    for name in ("classes", "clips"):
        page.locator(f"nav a[href='#{name}']").click()
        page.locator(f"nav a[href='#{name}'][aria-current]").wait_for()
        assert page.locator("nav a[aria-current]").count() == 1


def test_a_narrow_map_of_many_classes_has_no_names_at_its_axes(look, make_findings):
    page = look(make_findings(classes=60, clips=120), charts=True, **PHONE)
    chart = page.locator("[data-chart=confusion]")
    chart.scroll_into_view_if_needed()
    chart.locator(".heatmaplayer image").wait_for()
    assert chart.locator(".ytick").count() == 0
