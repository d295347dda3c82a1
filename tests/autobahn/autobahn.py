"""Runs the Autobahn|Testsuite against pairway, and compares every verdict with the ones checked in.

`inbound` tests the host as a server, with the echo example; `outbound` as a client, with the guest `outbound_echo`.
The cases are Autobahn's own, driven by kosoku. A verdict that differs from expected/ in whatever direction, a case
without a verdict and a verdict nobody expected make the run fail. run.sh installs what this needs, and runs it.
"""

import argparse
import asyncio
import contextlib
import fnmatch
import http.client
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver
from kosoku._kosoku import CaseResult
from kosoku.cases import CASES

EXPECTED = Path(__file__).parent / "expected"
# All that is fast; of the compressed messages the smallest, a larger one, and two cut into fragments.
SUBSET = "1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.* 12.*.1 12.*.5 12.*.11 12.*.13 13.*.1 13.*.5 13.*.11 13.*.16"
# The longest that a case gives itself is 480 s, in sections 12 and 13.
CASE_SECONDS = 600
START_SECONDS = 60
# More than the host gives itself to drain.
STOP_SECONDS = 20
AGENT = "pairway"


class Failure(Exception):
    """The run could not be made."""


def number(case: str) -> list[int]:
    """The order of cases: 1.10 follows 1.9."""
    return [int(part) for part in case.split(".")]


def expand(lines: Iterable[str]) -> list[str]:
    """The cases in lines such as `6.1.1-3 6.2.1`."""
    cases = []
    for one in " ".join(lines).split():
        group, _, span = one.rpartition(".")
        first, _, last = span.partition("-")
        cases += [f"{group}.{case}" for case in range(int(first), int(last or first) + 1)]
    return cases


def select(patterns: Iterable[str]) -> list[str]:
    chosen = set()
    for pattern in patterns:
        found = fnmatch.filter(CASES, pattern)
        if not found:
            raise Failure(f"there is no case {pattern}")
        chosen.update(found)
    return sorted(chosen, key=number)


def sections(cases: Iterable[str]) -> dict[str, list[str]]:
    split: dict[str, list[str]] = {}
    for case in cases:
        split.setdefault(case.partition(".")[0], []).append(case)
    return split


def repair() -> None:
    """Repair the one defect of the tool.

    kosoku 0.1.0 gives a message that came compressed to the case as bytes, and one that did not as str. The cases of
    12 and 13 hash what they get, so that an uncompressed echo on a compressed connection, which RFC 7692 (section 6)
    allows, ends them with `Strings must be encoded before hashing` before there is a verdict: 13.2.1-3, 13.5.1-3,
    13.6.1-3 and 13.7.1-3 with a host that keeps its context where it may and sends small messages as they are, more
    with one that never keeps it, as pairway. Given bytes in both cases, all of them have a verdict.
    """

    def with_bytes(on_message: Callable[..., None]) -> Callable[..., None]:
        def wrapped(self: object, message: str | bytes, binary: bool) -> None:
            if isinstance(message, str):
                message = message.encode("latin-1" if binary else "utf-8")
            on_message(self, message, binary)

        return wrapped

    for name, case in CASES.items():
        if name.partition(".")[0] in ("12", "13"):
            case.onMessage = with_bytes(case.onMessage)


class Expectation:
    """What is checked in for one way to run the suite."""

    def __init__(self, name: str) -> None:
        self.verdicts: dict[str, str] = {}
        for verdict, lines in json.loads((EXPECTED / f"{name}.json").read_text()).items():
            for case in expand(lines):
                if self.verdicts.setdefault(case, verdict) != verdict:
                    raise Failure(f"{name}.json names {case} twice")

    def verdict(self, result: CaseResult) -> str:
        """A verdict as the files have it."""
        behavior, close = result.behavior.value, result.behavior_close.value
        if behavior == "ERROR":
            return "ERROR"
        return behavior if close == "OK" else f"{behavior}, close {close}"


class Host:
    """A running `pairway serve`."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    @classmethod
    @contextlib.asynccontextmanager
    async def serve(cls, pairway: Path, worker: Path, config: str) -> AsyncIterator["Host"]:
        with tempfile.TemporaryDirectory(prefix="pairway-autobahn-") as folder:
            file, log = Path(folder, "config.toml"), Path(folder, "log")
            file.write_text(config)
            command = [pairway.resolve(), "serve", worker.resolve(), "--addr", "127.0.0.1:0", "--config", file]
            unset = {name for name in os.environ if name.startswith("PAIRWAY_") or name == "RUST_LOG"}
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    *map(str, command),
                    "--no-data-dir",
                    "--no-cache",
                    "--log",
                    "warn",
                    cwd=folder,
                    env={name: value for name, value in os.environ.items() if name not in unset},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                )
            try:
                yield cls(process, await cls.address_of(process))
                if process.returncode is not None:
                    raise Failure("the host has ended too early")
            finally:
                if process.returncode is not None:
                    print(f"the host has ended with {process.returncode}\n{log.read_text()[-4000:]}", file=sys.stderr)
                await cls.stop(process)

    @staticmethod
    async def address_of(process: asyncio.subprocess.Process) -> str:
        """Read where it listens from what it says: `pairway: serving echo on http://127.0.0.1:40000`."""
        assert process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                async for line in process.stdout:
                    if found := re.search(r"http://([0-9.:]+)", line.decode()):
                        return found[1]
        # At the end of its output it is as good as ended.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 1)
        raise Failure("the host does not say where it listens")

    @staticmethod
    async def stop(process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def get(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self.get_now, path)

    def get_now(self, path: str) -> tuple[int, str]:
        # Not urllib, which would ask a proxy.
        connection = http.client.HTTPConnection(self.address, timeout=CASE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace").strip()


class Run:
    """The cases chosen, and what became of them."""

    def __init__(self, cases: list[str], jobs: int) -> None:
        self.cases = cases
        self.jobs = asyncio.Semaphore(jobs)
        self.results: list[CaseResult] = []
        # What went wrong beside the suite.
        self.why: dict[str, str] = {}

    async def each(self, cases: list[str], run: Callable[[str], Awaitable[None]]) -> None:
        async def one(case: str) -> None:
            async with self.jobs:
                try:
                    async with asyncio.timeout(CASE_SECONDS):
                        await run(case)
                except Failure as failure:
                    self.why[case] = str(failure)
                except TimeoutError:
                    self.why[case] = f"not over within {CASE_SECONDS} s"

        async with asyncio.TaskGroup() as group:
            for case in cases:
                group.create_task(one(case))

    def tell(self, section: str, since: float) -> None:
        count = len(sections(self.cases)[section])
        print(f"section {section:>2}: {count:3} cases, {time.monotonic() - since:6.1f} s", flush=True)


async def inbound(run: Run, host: Host) -> None:
    async def one(case: str) -> None:
        run.results += await verdicts(run_fuzzingclient(f"ws://{host.address}/echo", [case]))

    for section, cases in sections(run.cases).items():
        since = time.monotonic()
        await run.each(cases, one)
        run.tell(section, since)


async def outbound(run: Run, host: Host, port: int) -> None:
    for section, cases in sections(run.cases).items():
        since = time.monotonic()
        # A server for each section: one connection that does not end costs the verdicts of no other.
        await outbound_section(run, host, port, cases)
        run.tell(section, since)


async def outbound_section(run: Run, host: Host, port: int, cases: list[str]) -> None:
    async def connect(path: str) -> None:
        """Have the worker connect, and wait until that socket has ended."""
        url = f"ws://127.0.0.1:{port}{path}"
        try:
            status, body = await host.get(f"/run?url={quote(url, safe='')}")
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"the worker does not answer: {type(error).__name__} {error}") from error
        if status != 200:
            raise Failure(f"the worker answers {status}: {body}")

    async def one(case: str) -> None:
        await connect(f"/runCase?case={cases.index(case) + 1}&agent={AGENT}")

    async with run_fuzzingserver(cases, host="127.0.0.1", port=port) as server:
        # The count is known; this is to see whether the worker comes through at all.
        await connect("/getCaseCount")
        await run.each(cases, one)
        await connect(f"/updateReports?agent={AGENT}")
        try:
            run.results += await asyncio.wait_for(verdicts(server.get_result()), CASE_SECONDS)
        except TimeoutError:
            run.why |= {case: "one of the section's connections does not end" for case in cases}


async def verdicts(results: Awaitable[list[CaseResult]]) -> list[CaseResult]:
    try:
        return await results
    except FailureError as failure:
        return failure.results


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def differences(run: Run, expectation: Expectation) -> list[str]:
    told = []
    results = {result.case_id: result for result in run.results}
    for case in run.cases:
        expected = expectation.verdicts.get(case, "nothing")
        result = results.get(case)
        verdict = expectation.verdict(result) if result else "no verdict"
        if verdict == expected and case not in run.why:
            continue
        told.append(f"{case}: {verdict}, expected {expected}")
        if why := run.why.get(case):
            told.append(f"    {why}")
        if result:
            told += [f"    {line}" for line in details(result)]
    return told


def details(result: CaseResult) -> list[str]:
    closes = f"Close of the suite {result.local_close_code}, of pairway {result.remote_close_code}"
    if result.remote_close_reason:
        closes += f" {result.remote_close_reason!r}"
    lines = [
        f"sends: {result.description}",
        f"wants: {result.expectation}",
        f"finds: {result.result} {result.result_close} ({closes})",
        f"received: {str(result.received)[:300]}",
    ]
    return [re.sub(r"<[^>]*>|\s+", " ", line) for line in lines]


def summary(run: Run, expectation: Expectation, seconds: float) -> str:
    counts = Counter(expectation.verdict(result) for result in run.results)
    each = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return f"{len(run.cases)} cases in {seconds:.0f} s: {each or 'no verdicts'}"


async def main() -> int:
    repair()
    arguments = parse()
    # So that the host is stopped then, too.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    name = arguments.mode + ("-uncompressed" if arguments.uncompressed else "")
    expectation = Expectation(name)
    patterns = arguments.cases.split(",") if arguments.cases else SUBSET.split() if arguments.subset else ["*"]
    run = Run(select(patterns), arguments.jobs)
    config = arguments.config.read_text() if arguments.config else ""
    started = time.monotonic()
    if arguments.mode == "inbound":
        async with Host.serve(arguments.pairway, arguments.worker, config) as host:
            await inbound(run, host)
    else:
        port = free_port()
        config += f'\n[outbound]\nallowed_hosts = ["ws://127.0.0.1:{port}"]\n'
        async with Host.serve(arguments.pairway, arguments.worker, config) as host:
            await outbound(run, host, port)

    told = differences(run, expectation)
    # Whatever was chosen: this file would say more than is ever tested.
    told += [f"{case}: is expected, and not in the suite" for case in expectation.verdicts if case not in CASES]
    for line in told:
        print(line)
    print(f"{name}: {summary(run, expectation, time.monotonic() - started)}")
    if arguments.reports:
        # Imported here: not a part of kosoku's public interface.
        from kosoku._report import write_reports

        write_reports(run.results, str(arguments.reports))
    if told:
        print(f"The verdicts differ from expected/{name}.json.", file=sys.stderr)
    return 1 if told else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["inbound", "outbound"])
    parser.add_argument("--pairway", type=Path, required=True, help="the host program")
    parser.add_argument("--worker", type=Path, required=True, help="echo.wasm, or outbound_echo.wasm")
    parser.add_argument(
        "--config", type=Path, help="configuration for the host; for `outbound`, without a table [outbound]"
    )
    parser.add_argument("--uncompressed", action="store_true", help="expect a host that does not negotiate compression")
    parser.add_argument("--cases", help="patterns with commas between, such as 1.*,9.3.1; all cases unless given")
    parser.add_argument("--subset", action="store_true", help="a minute's choice from every section")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--reports", type=Path, help="a folder for Autobahn's HTML and JSON reports")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except Failure as failure:
        sys.exit(f"autobahn: {failure}")
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("autobahn: stopped")
