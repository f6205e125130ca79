"""How far a campaign has come, by the journal, and what is to be done next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.soak.campaigns import Campaign
from tests.soak.journal import Began, Ended, Entered, Entry, Item

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Standing:
    """What has happened in one campaign with one commit."""

    entries: Sequence[Entry]

    @property
    def items(self) -> list[Item]:
        """All that was tried, also what was tried again."""
        return [entry.what for entry in self.entries if isinstance(entry.what, Item)]

    @property
    def failures(self) -> list[Item]:
        """What has failed ever: a later success does not undo it."""
        return [item for item in self.items if item.outcome == "failed"]

    @property
    def latest(self) -> Mapping[str, Item]:
        """By its name, what came of each thing in the end."""
        return {item.name: item for item in self.items}

    @property
    def passed(self) -> list[str]:
        """What need not be tried again."""
        return [name for name, item in self.latest.items() if item.outcome == "passed"]

    @property
    def end(self) -> Ended | None:
        """How it ended, if it did: not if whatever ran it was killed."""
        last = self.entries[-1].what if self.entries else None
        return last if isinstance(last, Ended) else None

    @property
    def complete(self) -> bool:
        """Whether all of it has been tried."""
        return any(
            isinstance(entry.what, Ended) and entry.what.outcome == "complete"
            for entry in self.entries
        )

    @property
    def seconds(self) -> float:
        """How long it ran, as far as anything was noted."""
        total = timedelta()
        for before, after in zip(self.entries, self.entries[1:], strict=False):
            if not isinstance(after.what, Entered):
                total += after.at - before.at
        return total.total_seconds()

    @property
    def last(self) -> datetime:
        """When something happened last."""
        return self.entries[-1].at if self.entries else _NEVER

    def missing(self, campaign: Campaign) -> float:
        """Seconds of torture that are left to do."""
        return campaign.minutes * 60 - sum(item.seconds for item in self.items)

    def is_done(self, campaign: Campaign) -> bool:
        """Whether there is nothing to go on with, nor anything to try again."""
        if campaign.is_torture:
            return self.missing(campaign) <= 0
        return self.complete and all(item.outcome != "failed" for item in self.latest.values())


def standing(entries: Sequence[Entry], campaign: str, commit: str | None = None) -> Standing:
    """That of the campaign of this name with a commit, or with any."""
    return Standing(
        list(
            _counting(
                entry
                for entry in entries
                if not isinstance(entry.what, Began)
                if entry.what.campaign == campaign and commit in (None, entry.commit)
            )
        )
    )


def _counting(entries: Iterable[Entry]) -> Iterator[Entry]:
    """All but what came after the campaign was stopped, while it was being stopped."""
    going = True
    for entry in entries:
        going = going or isinstance(entry.what, Entered)
        if going:
            yield entry
        going = going and not isinstance(entry.what, Ended)


def plan(entries: Sequence[Entry], campaigns: Sequence[Campaign], commit: str) -> list[Campaign]:
    """What is not done yet with this commit: what has waited longest first, then the shortest."""

    def turn(campaign: Campaign) -> tuple[datetime, float]:
        return standing(entries, campaign.name).last, campaign.minutes

    todo = [each for each in campaigns if not standing(entries, each.name, commit).is_done(each)]
    return sorted(todo, key=turn)


def newest(entries: Sequence[Entry], campaign: str) -> tuple[str, Standing] | None:
    """The commit with which it was completed last, else begun last, and how it stands there."""
    commits = dict.fromkeys(entry.commit for entry in standing(entries, campaign).entries)
    found = [(commit, standing(entries, campaign, commit)) for commit in commits]
    return max(found, key=lambda each: (each[1].complete, each[1].last), default=None)
