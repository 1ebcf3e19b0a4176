"""What is usual at an hour of the day, or of the week, in plain Python; a part of naive.py."""

from collections import defaultdict
from math import sqrt

HOUR = 3600.0


class DayHours:
    """The highest counts over a minute by hour of the day, in UTC."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []  # hour since 1970, highest count in it

    def see(self, now: float, count: float) -> None:
        hour = int(now // HOUR)
        if self.seen and self.seen[-1][0] == hour:
            count = max(count, self.seen.pop()[1])
        self.seen.append((hour, count))

    def highest(self, of_day: int, hour: int) -> float:
        """That was reached on two days; of each day later it loses 3%, until the second time 2%."""
        known = [(at // 24, count) for at, count in self.seen if at % 24 == of_day and at != hour]
        twice = [
            min(count, max([other * 0.98 ** (day - before) for before, other in known[:i]], default=0.0))
            * 0.97 ** (hour // 24 - day)
            for i, (day, count) in enumerate(known)
        ]
        return max(twice, default=0.0)

    def usual(self, now: float) -> float:
        """The mean, by the highest of this hour and those beside it: two standard deviations below it."""
        hour = int(now // HOUR)
        highest = max(self.highest((hour + beside) % 24, hour) for beside in (-1, 0, 1))
        return max(0.0, sqrt(highest) - 1.0) ** 2


class WeekHours:
    """The longest gaps by hour of the week, of which a tenth is forgotten each week."""

    def __init__(self, now: float) -> None:
        self.hour = int(now // HOUR)  # up to which is forgotten
        self.longest: defaultdict[int, int] = defaultdict(int)
        self.confirmed: defaultdict[int, int] = defaultdict(int)  # untold, or seen twice

    def usual(self, now: float) -> int:
        hour = int(now // HOUR)
        return max(self.confirmed[(hour + beside) % 168] for beside in (-1, 0, 1))

    def spoken(self, spoke: float, now: float, gap: float, told: bool) -> None:
        """The gap is as long as it was at the end of each hour that it reached, a week of them at most."""
        hour = int(now // HOUR)
        for at in range(self.hour + 1, hour + 1)[-168:]:
            for gaps in (self.longest, self.confirmed):
                gaps[at % 168] = int(gaps[at % 168] * 0.9)
        self.hour = max(hour, self.hour)
        if gap < 60.0:
            return
        for at in range(int(spoke // HOUR), hour + 1)[-168:]:
            reached = int(min(65_535.0, gap, (at + 1) * HOUR - spoke))
            confirmed = min(reached, self.longest[at % 168]) if told else reached
            self.confirmed[at % 168] = max(confirmed, self.confirmed[at % 168])
            self.longest[at % 168] = max(reached, self.longest[at % 168])
