"""Everything the window is given: the state objects in one value. Made by studio.app.build, knows nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtGui import QImage

from studio.core.advice import Advice
from studio.core.recipe import ImageRef
from studio.core.settings import Settings
from studio.state.budgets import Budgets
from studio.state.compare import Comparison
from studio.state.control_maps import ControlMaps
from studio.state.draft_model import DraftModel
from studio.state.enlarge import Enlarger
from studio.state.export import Exporter
from studio.state.family import FamilyModel
from studio.state.forerunner import Forerunners
from studio.state.full_image import FullImage
from studio.state.gallery_model import GalleryModel
from studio.state.imports import Imports
from studio.state.intake import InputIntake
from studio.state.job_list_model import JobListModel
from studio.state.job_queue import JobQueue
from studio.state.librarian import Librarian
from studio.state.messages import Messages
from studio.state.models_downloads import Downloads
from studio.state.models_model import ModelsModel
from studio.state.own_files import OwnFiles
from studio.state.plot import Plots
from studio.state.plugins_model import PluginsModel
from studio.state.ranking import Ranking
from studio.state.restore import Restorer
from studio.state.thumbnails import Thumbnails
from studio.state.tokens import Tokens
from studio.state.verify import Verifier

ReadInput = Callable[[ImageRef, Callable[[QImage], None]], None]  # `InputImages.read`: calls back on the UI thread


@dataclass(kw_only=True)
class StudioState:
    """What `MainWindow` is built over. `settings_saver` writes the settings away (returns at once)."""

    messages: Messages
    draft: DraftModel
    queue: JobQueue
    jobs_model: JobListModel
    gallery: GalleryModel
    thumbnails: Thumbnails
    full_image: FullImage
    control_maps: ControlMaps
    intake: InputIntake
    tokens: Tokens
    budgets: Budgets
    settings: Settings
    settings_saver: Callable[[], None]
    read_input: ReadInput
    plugins: PluginsModel
    own_files: OwnFiles
    model_files: ModelsModel
    downloads: Downloads
    own_model_folders: Callable[[], tuple[Path, ...]]
    look_for_models: Callable[[tuple[Path, ...]], None]  # in these folders of the artist's, from now on
    ranking: Ranking
    plots: Plots
    exporter: Exporter
    comparison: Comparison
    restorer: Restorer
    verifier: Verifier
    family: FamilyModel
    forerunners: Forerunners
    enlarger: Enlarger
    librarian: Librarian
    imports: Imports
    models: tuple[str, ...] = ("mini",)  # names of base models
    advice: Mapping[str, Advice] = field(default_factory=dict)  # settings that some of them were made for
    models_folder: Path | None = None  # where the artist may put more
    plugins_folder: Path | None = None  # where installed plugins lie
