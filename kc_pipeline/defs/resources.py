"""What the assets work on: one platform object with the settings, the raw store, the lake, the warehouse and the clock.

Everything heavy is imported when first used, so that the code location loads fast.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    from kc_pipeline.defs.beside import Beside
    from kc_pipeline.defs.puller import Puller
    from kc_pipeline.extract.guard import Guards
    from kc_pipeline.extract.pull_keys import PullKeys
    from kc_pipeline.extract.raw import RawStore
    from kc_pipeline.places.address_memory import AddressMemory
    from kc_pipeline.store.lake import Lake
    from kc_pipeline.store.warehouse import Warehouse


def utc_now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Platform:
    """The stores of one source's runs.

    Attributes:
        settings: what the run was told from outside.
        now: the clock; the sandbox lets it stand at the day that is scored.
        progress: told in a few words what is being done.
        beside: works beside a run, in another process; None: each step does its work itself.
        puller: pulls feeds ahead of a run's steps; None: each step pulls its feed itself.
    """

    settings: Settings
    now: Callable[[], datetime] = utc_now
    progress: Callable[[str], None] = field(default=lambda _message: None)
    beside: "Beside | None" = None
    puller: "Puller | None" = None

    @cached_property
    def raw(self) -> "RawStore":
        """Raw pulls and their manifests."""
        from kc_pipeline.extract.raw import RawStore

        return RawStore(self.settings.raw_dir)

    @cached_property
    def guards(self) -> "Guards":
        """What is known of each portal between feeds: whether it is down, when it was last asked."""
        from kc_pipeline.extract.guard import Guards

        return Guards()

    @cached_property
    def lake(self) -> "Lake":
        """Delta tables."""
        from kc_pipeline.store.lake import Lake

        return Lake(self.settings.lake_dir)

    @cached_property
    def address_memory(self) -> "AddressMemory":
        """Address texts that were parsed before."""
        from kc_pipeline.places.address_memory import AddressMemory

        return AddressMemory(self.settings.address_memory_dir)

    @cached_property
    def pull_keys(self) -> "PullKeys":
        """Which keys each pull holds."""
        from kc_pipeline.extract.pull_keys import PullKeys

        return PullKeys(self.settings.pull_keys_dir)

    @cached_property
    def warehouse(self) -> "Warehouse":
        """What BI reads."""
        from kc_pipeline.store.warehouse import Warehouse

        return Warehouse(self.settings.warehouse_url)
