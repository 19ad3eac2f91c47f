"""The bibliography: one place for what constants come from, and BibTeX of what was used."""

import re
from dataclasses import replace

import pytest

from mapper.diagnostics import MappingError
from mapper.report.comparison.energy import HOROWITZ
from mapper.report.references import bibtex, entry_in_words, in_words, works_behind
from targets import (
    Work,
    list_libraries,
    list_presets,
    list_targets,
    load_library,
    load_preset,
    load_target,
    read_works,
    shipped_works,
    target_from_data,
    target_to_data,
    work_to_data,
)
from targets.devices import device_names, load_device

PHYSICAL = load_preset("physical")


def test_every_entry_of_the_libraries_names_works_and_every_work_is_named():
    used = {key for name in list_targets() for key in load_target(name).cites}
    used |= {key for name in list_presets() for key in load_preset(name).cites}
    used |= {key for name in device_names() for key in load_device(name).cites}
    for library in map(load_library, list_libraries()):
        for name, cites in library.cited():
            assert cites, (library.name, name)
            used.update(cites)
    used.add(HOROWITZ)  # of the operations of an energy table
    assert used == set(shipped_works())


def test_works_of_parts_that_a_target_has_none_of_are_left_out():
    sensed, converted = (
        {work.key for work in works_behind(load_target(name), PHYSICAL)}
        for name in ("adcless-64", "hpadc-sar5-64")
    )
    assert "satapathy2023comparator" in sensed - converted  # a sense amplifier
    assert {"fan2022adc", "andrulis2024adc"} <= converted - sensed  # ADCs of five bits
    paper = {work.key for work in works_behind(load_target("adcless-64"), load_preset("paper"))}
    assert "park2012noc" not in paper  # its own components replace the target's
    assert "apolinario2023adcless" in paper


def test_bibtex_has_an_entry_a_work_with_what_is_known_of_it():
    text = bibtex([shipped_works()["shafiee2016isaac"], shipped_works()["khwa2018sram"]])
    assert re.findall(r"^@(\w+)\{([^,]+),$", text, re.MULTILINE) == [
        ("misc", "spikeloom"),
        ("inproceedings", "shafiee2016isaac"),
        ("inproceedings", "khwa2018sram"),
    ]
    assert "  author = {Shafiee, Ali and Nag, Anirban and Muralimanohar, Naveen and" in text
    assert "  doi = {10.1109/ISCA.2016.12},\n" in text
    assert "  author = {Khwa and others},\n" in text
    assert text.count("{") == text.count("}")


def test_text_of_others_ends_no_field_of_bibtex():
    work = Work(key="x", kind="misc", title="a } b { c % \\ & @d\n", url="http://x/}{\\ y")
    text = bibtex([work])
    title = next(line for line in text.splitlines() if "a )" in line)
    assert title == r"  title = {{a ) b ( c \% \textbackslash  \& (at)d }},"
    assert "  url = {http://x/y},\n" in text
    assert text.count("{") == text.count("}")


def test_works_are_named_short_in_captions_and_whole_in_a_list():
    works = shipped_works()
    told = in_words([works["satapathy2023comparator"], works["accelergy-library"]])
    assert told == (
        "Satapathy and Kaur 2023 [satapathy2023comparator]; "
        "Accelergy component library plug-in [accelergy-library]"
    )
    assert entry_in_words(works["stillmaker2017scaling"]) == (
        "Aaron Stillmaker, Bevan Baas. Scaling equations for the accurate prediction of CMOS "
        "device performance from 180 nm to 7 nm. Integration, vol. 58, pp. 74-81, 2017, "
        "doi:10.1016/j.vlsi.2017.02.002."
    )


def test_a_library_of_ones_own_brings_its_own_works():
    target = load_target("adcless-64")
    own = Work(key="me2026", kind="misc", title="A chip", year=2026)
    amp = replace(target.components.sense_amp, cites=("me2026",))
    library = replace(target.components, sense_amp=amp, works=(own,))
    made = replace(target, components=library)
    again = target_from_data(target_to_data(made), loc="x")
    assert again == made
    assert own in works_behind(again, PHYSICAL)
    without = replace(made, components=replace(library, works=()))
    with pytest.raises(MappingError, match="cites no work that is there: 'me2026'"):
        target_from_data(target_to_data(without), loc="x")


def test_works_are_read_back_and_a_key_is_used_once():
    works = tuple(shipped_works().values())
    assert read_works([work_to_data(work) for work in works], "x") == works
    with pytest.raises(MappingError, match="2 works have the key"):
        read_works([work_to_data(works[0])] * 2, "x")
    with pytest.raises(MappingError, match="key must be letters, digits and dashes"):
        read_works([{"key": "a}b", "kind": "misc", "title": "t"}], "x")
    with pytest.raises(MappingError, match="title must be text that UTF-8 can hold") as refused:
        read_works([{"key": "a", "kind": "misc", "title": "t\ud800"}], "x")
    str(refused.value).encode()
