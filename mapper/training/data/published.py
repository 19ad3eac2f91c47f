"""Data sets as they are published: where they are, which files, and where they lie in a folder."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from mapper.diagnostics import MappingError, refuse

_NAMED = 4
"""Missing files that are named; of more the number is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What a user downloads; nothing here does."""

    name: str
    page: str
    """Where it is published."""
    files: str
    """Their names, with sizes where the publisher or its users give them."""
    then: str
    """What to do with them."""

    def __str__(self) -> str:
        return f"{self.name}: {self.files}, from {self.page}; {self.then}"


GESTURE = DataSet(
    name="DVS128 Gesture (Amir et al. 2017)",
    page="https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8/folder/50167556794",
    files="DvsGesture.tar.gz (3 GB, 5 GB unpacked)",
    then="unpack it (tar -xzf) and give the folder DvsGesture",
)

MVSEC = DataSet(
    name="MVSEC (Zhu et al. 2018)",
    page="https://daniilidis-group.github.io/mvsec/download/",
    files="outdoor_day2_data.hdf5 (41.5 GB) and outdoor_day2_gt.hdf5 (17.8 GB) to train, "
    "outdoor_day1_data.hdf5 (12.1 GB), outdoor_day1_gt.hdf5 (6.3 GB) and the same two of "
    "indoor_flying1, 2 and 3 (1.2 to 3.5 GB a file as ROS bags) to test",
    then="*_gt_flow_dist.npz of the same page (outdoor: 7.4 and 17.6 GB) will do for *_gt.hdf5; "
    "put all of them in one folder, or in folders of their scene",
)

NMNIST = DataSet(
    name="N-MNIST (Orchard et al. 2015)",
    page="https://www.garrickorchard.com/datasets/n-mnist (DOI 10.17632/468j46mzdv.1)",
    files="Train.zip (60,000 recordings) and Test.zip (10,000)",
    then="unpack both in one folder and give that",
)


def absent(folder: Path, reason: str, wanted: DataSet) -> MappingError:
    """Make the error for files that are not there; the caller raises it."""
    return refuse("no-data-set", reason, loc=str(folder), help=str(wanted))


def is_there(path: Path, wanted: DataSet, kind: Callable[[int], bool] = S_ISREG) -> bool:
    """Return whether there is a file, or something of another kind by its ``st_mode``.

    Raises:
        MappingError: ``no-data-set`` where the system does not tell: a name that is too long, a
            folder that may not be entered.
    """
    try:
        return kind(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no name has a byte of 0
        return False
    except OSError as error:
        reason = f"{path.name[:40]!r} cannot be looked for: {error.strerror}"
        raise absent(path.parent, reason, wanted) from error


def first_with(folder: Path, name: str, wanted: DataSet, below: Iterable[str] = ()) -> Path | None:
    """Return the first of a folder and named folders below it that has something of that name.

    Raises:
        MappingError: As ``is_there``.
    """
    places = (folder, *(folder / inner for inner in below))
    return next((at for at in places if is_there(at / name, wanted, bool)), None)


def check_there(folder: Path, files: Iterable[Path], wanted: DataSet) -> None:
    """Refuse files of a list that are not there, all at once.

    Raises:
        MappingError: ``no-data-set``: how many of how many are missing, and the first of them;
            and as ``is_there``.
    """
    listed = list(files)
    missing = [path.name for path in listed if not is_there(path, wanted)]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise absent(
            folder,
            f"{len(missing)} of {len(listed)} files are missing: "
            f"{', '.join(missing[:_NAMED])}{more}",
            wanted,
        )
