"""What models/context/clocks.py computes, said once more in plain Python, with whole histories."""

from math import inf, isnan, nan, sqrt


class NaiveClocks:
    """The clock of a stream: reads (time, source) after (time, source)."""

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}  # of what was taken in, by source, since the stream last jumped
        self.before = nan  # where the stream was then, of the others
        self.square, self.taken_in = (6 * 3600.0) ** 2, 0
        self.speakers: list[str] = []
        self.doubtful: list[tuple[float, str]] = []
        self.offset: dict[str, float] = {}
        self.looked: dict[str, float] = {}  # where the others were at the last look
        self.distances: dict[str, list[float]] = {}
        self.told: dict[str, float] = {}
        self.wild: dict[str, tuple[float, int]] = {}  # how far ahead its last event was, if that was doubted
        self.jumps = 0

    @property
    def step(self) -> float:
        """Seconds ahead of the stream from which a time is doubted."""
        return 60.0 + 32.0 * sqrt(self.square)

    @property
    def reached(self) -> float:
        """The latest time taken in."""
        return max(self.latest.values(), default=nan)

    def read(self, time: float, source: str) -> tuple[float, bool, str, float]:
        """Time by the stream, whether it is doubted, what is to be told of its clock, and its lead."""
        self.speakers.append(source)
        if isnan(time):
            return nan, False, "", 0.0
        told, lead = "", 0.0
        if found := self.measure(source, time - self.offset.get(source, 0.0)):
            lead = self.offset[source] = self.offset.get(source, 0.0) + found
            told = "wrong" if abs(lead) > 60.0 else "right"
            self.wild.pop(source, None)
        now, reached = time - self.offset.get(source, 0.0), self.reached
        if now - reached > self.step and not self.is_followed(source, now):
            self.wild[source] = (now - reached, self.jumps)
            return now, True, told, lead
        if now >= self.reached - 60.0:
            self.doubtful = []
        wild, jumps = self.wild.pop(source, (0.0, 0))
        if wild > 600.0 and jumps == self.jumps and not now < self.told.get(source, -inf) + 86_400.0:
            self.told[source] = now
            told, lead = "once", self.offset.get(source, 0.0) + wild
        if not isnan(self.reached):
            self.learn_pause(now - self.reached)
        self.latest[source] = max(now, self.latest.get(source, -inf))
        return now, False, told, lead

    def learn_pause(self, pause: float) -> None:
        """One more pause, of 256 or as many as there were."""
        self.taken_in = min(self.taken_in + 1, 256)
        self.square += (max(0.0, pause) ** 2 - self.square) / (self.taken_in + 1)

    def others(self, source: str) -> float:
        """How far the stream is without a source."""
        return max((time for who, time in self.latest.items() if who != source), default=self.before)

    def measure(self, source: str, now: float) -> float:
        """Seconds that a source proves to be ahead, 0 for none."""
        others = self.others(source)
        if not others > self.looked.get(source, -inf):
            return 0.0
        self.looked[source] = others
        seen = self.distances.setdefault(source, [])
        if abs(now - others) <= self.step:
            seen.clear()
            return 0.0
        seen.append(now - others)
        last = seen[-5:] if now > others else seen[-8:]
        middle = sorted(last)[len(last) // 2]
        if len(seen[-8:]) < (5 if now > others else 8) or max(last) - min(last) > max(5.0, 0.1 * abs(middle)):
            return 0.0
        if abs(self.offset.get(source, 0.0) + middle) > 36 * 3600.0:
            return 0.0
        seen.clear()
        return middle

    def is_followed(self, source: str, now: float) -> bool:
        """Whether the stream jumps to where an event is."""
        self.doubtful.append((now, source))
        run = next((n for n, who in enumerate(self.speakers[::-1]) if who != source), len(self.speakers))
        several = len({who for _, who in self.doubtful}) > 1
        if len(self.doubtful) < 8 or not (several or run >= 32):
            return False
        earliest = min(time for time, _ in self.doubtful)
        self.learn_pause(earliest - self.reached)
        self.before = max(time for who, time in [*self.latest.items(), ("", self.before)] if who != source)
        self.latest = {source: earliest}
        self.distances = {}
        self.jumps += 1
        self.doubtful = [] if now - earliest <= self.step else [(now, source)]
        return not self.doubtful
