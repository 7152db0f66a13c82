"""One part in one variant: is it whole, does its layout fit, do its joints look like people."""

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from dataset.layouts import Layout, load_layout
from dataset.packing import COUNT
from dataset.store import GENERATE, Part, open_part
from tools.doctor.findings import Finding, gigabytes, histogram, some
from tools.doctor.joints import ClipFacts, RowFacts, look_at_clips, look_at_rows, num_axes, toe_pairs
from utils.errors import UserError

REFUSED = 0.01  # share of refused sources that is no accident
MISSING, ALWAYS = 0.05, 0.9  # share of rows in which a joint is at the origin: often, practically always
STILL = 0.01  # share of clips in which nothing moves
BODY = (0.05, 4.0)  # metres: from a hand to a jump with raised arms
APART = 10.0  # times larger or smaller than the median person
ODD_SIZES = 0.01  # share of clips with such a person
SWAPPED, MIRRORED, CLEAR = 0.5, 0.1, 0.2  # share of clips, share of clear clips, chirality that is clear
PER_METRE = {"metres": 1.0, "centimetres": 100.0, "millimetres": 1000.0}
FLAT = {  # what to do about a channel that never changes
    "x": "look at the raw files: nobody stands on a line",
    "y": "look at the raw files: nobody lies on a line",
    "z": "if these are 2D, say so: data.channels, and a layout of 2D",
    "score": "fine where a pose estimator gave none; else export its scores, too",
}
PIXELS = 10.0  # larger numbers are no normalised image units


def open_checked(path: Path, variant: str, remedy: str = GENERATE) -> tuple[Part | None, Finding]:
    """Return a part, if its files are what its manifests say and its layout is known, and the finding."""
    try:
        part = open_part(path, variant, remedy)
        load_layout(part.manifest["layout"])
    except (UserError, OSError) as error:
        return None, Finding("error", "part", str(error), f"{remedy}; --force replaces what is there")
    size = sum(file.stat().st_size for file in (path / variant).iterdir())
    what = f"{path}, {variant}: {len(part)} clips, {len(part.coordinates)} rows, {gigabytes(size)}, checksums agree"
    return part, Finding(
        "ok", "part", what, figures={"part": path.name, "variant": variant, "clips": len(part), "bytes": size}
    )


def check_part(part: Part, *, feeds: bool = False) -> Iterator[Finding]:
    """Look at everything that a part alone can show; `feeds`: an experiment reads this very variant."""
    yield from check_sources(part)
    yield check_lengths(part)
    yield from check_persons(part)
    layout = yield from check_layout(part)
    if layout is None or not len(part.coordinates):
        return
    facts = look_at_rows(part)
    yield check_numbers(facts, part)
    if not len(facts.bad):
        clips = look_at_clips(part, layout)
        yield check_joints(facts, part, layout)
        yield check_motion(facts, clips, part)
        yield check_scale(clips, part, layout, feeds=feeds)
        yield check_pairs(clips, layout)
        yield check_mirrored(clips, part, layout)


def check_sources(part: Part) -> Iterator[Finding]:
    """Look at what -gd refused and left out."""
    refused, count = part.manifest["refused"], part.manifest["sources"]["count"]
    often = len(refused) > REFUSED * count
    if refused:
        yield Finding(
            level="warning" if often else "note",
            check="sources",
            what=f"{len(refused)} of {count} sources were refused",
            remedy="mend these files, or get them anew, and run -gd again; all are listed in the part's manifest.json",
            figures={"refused": len(refused), "sources": count},
            lines=tuple(each["reason"] for each in refused[:5]),
        )
    for reason, files in part.manifest["skipped"].items():
        yield Finding("note", "sources", f"left out, {reason}: {some(files)}", figures={"skipped": len(files)})


def check_lengths(part: Part) -> Finding:
    """Look at how many frames the clips have."""
    if not len(part):
        return Finding(
            "error", "lengths", "there are no clips", "look at what was refused, mend it and run -gd --force"
        )
    counts, lines = histogram(part.frames)
    short = part.names[part.frames < 2]
    return Finding(
        level="warning" if len(short) else "ok",
        check="lengths",
        what=f"{part.frames.min()} to {part.frames.max()} frames, median {np.median(part.frames):g}"
        + (f"; fewer than 2: {some(short)}" if len(short) else ""),
        remedy="one frame shows no motion: leave these clips out of the raw data" if len(short) else "",
        figures={"frames": counts},
        lines=lines,
    )


def check_persons(part: Part) -> Iterator[Finding]:
    """Look at how many persons the clips hold."""
    persons = (part.spans[..., COUNT] > 0).sum(axis=1)
    if not len(persons):
        return
    counts, lines = histogram(persons)
    what = f"{persons.min()} to {persons.max()} persons a clip, of at most {part.spans.shape[1]}"
    yield Finding("ok", "persons", what, figures={"persons": counts}, lines=lines)
    if (empty := part.names[persons == 0]).size:
        remedy = "such clips teach nothing but their label: leave them out of the raw data"
        yield Finding("warning", "persons", f"clips without anybody: {some(empty)}", remedy)


def check_layout(part: Part) -> Generator[Finding, None, Layout | None]:
    """Look whether the part's joints are its layout's; returns the layout if so."""
    name, channels = part.manifest["layout"], part.manifest["channels"]
    layout = load_layout(name)
    held, wanted = part.coordinates.shape[1:], (layout.num_joints, len(channels))
    if held != wanted and len(part.coordinates):
        what = f"rows of {held} joints and channels, but {name} with {', '.join(channels)} has {wanted}"
        yield Finding("error", "layout", what, "name the layout of these files, and run -gd --force")
        return None
    yield Finding("ok", "layout", f"{name}: {layout.num_joints} joints of {', '.join(channels)}")
    return layout


def check_numbers(facts: RowFacts, part: Part) -> Finding:
    """Look at the range of every channel."""
    if len(facts.bad):
        what = f"{len(facts.bad)} rows hold a number that is not finite, such as row {facts.bad[0]}"
        return Finding("error", "numbers", what, "make the part again (-gd --force) from raw files without them")
    channels, ranges = part.manifest["channels"], np.stack([facts.low, facts.high], axis=1).tolist()
    flat = [name for name, (low, high) in zip(channels, ranges, strict=True) if low == high]
    shown = ", ".join(f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in zip(channels, ranges, strict=True))
    return Finding(
        level="warning" if set(flat) - {"score"} else "note" if flat else "ok",
        check="numbers",
        what="; ".join([shown, *(f"{name} never changes" for name in flat)]),
        remedy="; ".join(FLAT[name] for name in flat),
        figures=dict(zip(channels, ranges, strict=True)),
    )


def check_joints(facts: RowFacts, part: Part, layout: Layout) -> Finding:
    """Look for joints that are often at the origin, which stands for missing."""
    share = facts.zeros / max(facts.live, 1)
    centred = part.variant != "original"  # then the centre is at the origin by intent
    absent = [v for v in np.argsort(-share).tolist() if share[v] > MISSING and not (centred and v == layout.centre)]
    gaps = 1 - facts.live / len(part.coordinates)
    never = [layout.joints[v] for v in absent if share[v] > ALWAYS and v != layout.centre]
    return Finding(
        level="warning" if never else "note" if absent else "ok",
        check="joints",
        what=f"{len(absent)} of {len(share)} joints at the origin (missing) in more than {MISSING:.0%} of the rows"
        f"; rows without any joint: {gaps:.1%}",
        remedy=_joints_remedy(never) if absent else "",
        figures={"missing": dict(zip(layout.joints, share.round(4).tolist(), strict=True)), "empty_rows": gaps},
        lines=tuple(f"{layout.joints[v]} {share[v]:.1%}" for v in absent),
    )


def _joints_remedy(never: list[str]) -> str:
    if never:
        return f"{', '.join(never)} practically always: use a layout without, or look at the joints' order in the files"
    return "low scores or hidden joints; data centred before (a joint at the origin by intent) are fine"


def check_motion(facts: RowFacts, clips: ClipFacts, part: Part) -> Finding:
    """Look for clips in which nothing moves."""
    still = part.names[clips.index[clips.still & (part.frames[clips.index] > 1)]]
    often = len(still) > STILL * len(part)
    what = f"clips in which nothing moves: {some(still)}" if len(still) else "something moves in every clip"
    remedy = "one frame was probably repeated: look at these raw files" if len(still) else ""
    figures = {"still": len(still), "live_rows": facts.live}
    return Finding("warning" if often else "note" if len(still) else "ok", "motion", what, remedy, figures)


def check_scale(clips: ClipFacts, part: Part, layout: Layout, *, feeds: bool) -> Finding:
    """Look whether persons are as large as the layout's units say, and of one size."""
    known = ~np.isnan(clips.extent)
    if not known.any():
        return Finding("warning", "scale", "no clip has two joints apart", "look at the raw files")
    size = float(np.median(clips.extent[known]))
    odd = part.names[clips.index[known & ((clips.extent > APART * size) | (clips.extent * APART < size))]]
    wrong, remedy = _wrong_units(size, num_axes(part), layout)
    what = f"a person's extent is {size:.3g} in the median (the layout's units: {layout.units or 'none'})"
    if len(odd) > ODD_SIZES * len(part):
        wrong, remedy = True, remedy or f"units mixed, or broken clips: look at {some(odd)}"
        what += f"; {APART:g} times larger or smaller: {some(odd)}"
    level = (
        "ok" if not wrong else "note" if num_axes(part) == 2 and not feeds else "warning"
    )  # pixels are kept as they are
    return Finding(level, "scale", what, remedy, {"extent": size, "odd": len(odd)})


def _wrong_units(size: float, axes: int, layout: Layout) -> tuple[bool, str]:
    if axes == 2:
        raw = size > PIXELS
        return raw, "pixels that are not normalised; to train on: data.variant=prenormalized-2d" if raw else ""
    factor = PER_METRE.get(layout.units or "metres", 1.0)
    if BODY[0] <= size / factor <= BODY[1]:
        return False, ""
    like = [unit for unit, each in PER_METRE.items() if BODY[0] * 5 <= size / each <= BODY[1]]
    guess = f"this looks like {like[0]}" if like else "no body is of that size in any unit"
    return True, f"{guess}: state `units` in {layout.file}, or bring the raw files to {layout.units or 'metres'}"


def check_pairs(clips: ClipFacts, layout: Layout) -> Finding:
    """Look whether all left-right pairs lie the same way."""
    if len(layout.pairs) < 3:
        return Finding("note", "left/right", "the layout has fewer than 3 pairs to compare with one another")
    shares = clips.swapped.mean(axis=0)
    wrong = [n for n in range(len(shares)) if shares[n] > SWAPPED]
    names = [" and ".join(layout.joints[v] for v in pair) for pair in layout.pairs]
    what = (
        f"every pair lies as the others in most clips (worst {names[int(shares.argmax())]}: {shares.max():.1%} against)"
    )
    if wrong:
        what = "left and right look exchanged: " + "; ".join(
            f"{names[n]} in {shares[n]:.0%} of the clips" for n in wrong
        )
    remedy = f"look at joints and pairs in {layout.file}, and at the joints' order in the raw files" if wrong else ""
    figures = {"against": dict(zip(names, shares.round(4).tolist(), strict=True))}
    return Finding("warning" if wrong else "ok", "left/right", what, remedy, figures)


def check_mirrored(clips: ClipFacts, part: Part, layout: Layout) -> Finding:
    """Look whether left is to the left of where the toes point, in all clips alike."""
    clear = np.abs(clips.chirality) > CLEAR
    if np.isnan(clips.chirality).all() or not clear.any():
        needs = "" if toe_pairs(layout) and layout.spine else " without toes and spine in the layout"
        return Finding("note", "mirrored", f"cannot be told{needs} from {num_axes(part)} axes")
    left = clips.chirality[clear] > 0
    share, usual = min(left.mean(), 1 - left.mean()), bool(left.mean() >= 0.5)
    odd = part.names[clips.index[clear][left != usual]]
    figures = {"clear": int(clear.sum()), "minority": float(share), "usual": usual}
    if share > MIRRORED:
        what = f"left is on the other side in {share:.0%} of the clips: {some(odd)}"
        return Finding(
            "warning", "mirrored", what, "mirror these clips back, or exchange their left and right joints", figures
        )
    if not usual:
        what = "left is on the right of where the toes point: mirrored, or left-handed axes"
        return Finding(
            "note", "mirrored", what, "fine alone, not together with weights or data of the usual kind", figures
        )
    return Finding(
        "ok", "mirrored", f"left is on the left in {1 - share:.1%} of {int(clear.sum())} clear clips", "", figures
    )
