"""Wires the operator together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from aiohttp import web

from harness.errors import ClusterError
from harness.reference import config, kubeconfig, registry
from harness.reference.behaviour import Crash, nothing
from harness.reference.discovery import Discovery
from harness.reference.kubeclient import KubeClient
from harness.reference.labels import Labeller
from harness.reference.listeners import complain_rarely, listen
from harness.reference.log import LOG
from harness.reference.options import GRPC_PORT, REST_PORT, Options
from harness.reference.pause import backoff, pause
from harness.reference.publisher import Publisher
from harness.reference.reflector import Reflector
from harness.reference.rest import Rest
from harness.reference.rpc import Rpc
from harness.reference.state import NodeMirror, PodMirror, State
from harness.reference.storage import decode_class, decode_volume
from harness.reference.stores import CLASSES, VOLUMES, ClassMirror, Tools, VolumeMirror
from harness.reference.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from harness.reference.behaviour import Behaviour
    from harness.reference.inventory import Inventory
    from harness.reference.reflector import Mirror

# The end of the process may take this long, so that a supervisor's SIGKILL is not needed.
_CLEAN_UP_S = 2.0
_CRASHED = 2
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
_LOOK_S = 3600.0

Record = TypeVar("Record")


async def serve(options: Options, behaviour: Behaviour) -> None:
    """Run the operator until SIGINT or SIGTERM; raises UsageError when it cannot start."""
    stop = asyncio.Event()
    complain_rarely(asyncio.get_running_loop())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    access = kubeconfig.load(options.kubeconfig)
    if not behaviour.rereads_token:
        access = access.kept()
    settings = config.read(options.config, on_bad=behaviour.on_bad_start)
    async with KubeClient(access, api_timeout_s=options.api_timeout_s) as client:
        operator = Operator(options, behaviour, client, settings)
        await operator.run(stop)


class Operator:
    """All parts of one operator."""

    def __init__(self, options: Options, behaviour: Behaviour, client: KubeClient, settings: config.Config) -> None:
        self._options = options
        self._behaviour = behaviour
        self._client = client
        self._registry_tried = asyncio.Event()
        self._state = State(behaviour, options.pod_namespace, settings)
        self._visibility = Visibility(("nodes", "pods"), on_change=self._state.changed.set, on_return=self._restart)
        self._publisher = Publisher(self._state, complete=self._complete, view=self._view)
        stores = self._state.stores
        self._nodes = self._reflector("nodes", "/api/v1/nodes", behaviour.decode_node, NodeMirror(self._state))
        self._pods = self._reflector(
            "pods", "/api/v1/pods", behaviour.decode_pod, PodMirror(self._state), self._state.pods_watched_anew
        )
        self._classes = self._reflector(CLASSES, _CLASSES, decode_class, ClassMirror(stores))
        self._volumes = self._reflector(VOLUMES, f"/api/v1/{VOLUMES}", decode_volume, VolumeMirror(stores))
        self._volumes.reopens = behaviour.storage.reopens_watch
        self._tools = Tools(stores, client, config=lambda: self._state.config)
        self._discovery = Discovery(
            self._state, client, behaviour, options.discovery_image, options.discovery_period_s,
            ready=lambda: self._visibility.synced, away=lambda: self._visibility.away,
        )  # fmt: skip
        self._labels = Labeller(self._state, client, behaviour, ready=lambda: self._visibility.synced)
        self._state.listeners += [self._discovery.wake, self._labels.wake]
        self._rpc = Rpc(self._publisher, behaviour)
        self._runner = Rest(self._publisher, self._visibility, behaviour).runner()

    def _reflector(
        self,
        name: str,
        path: str,
        decode: Callable[[Any], Record],
        mirror: Mirror[Record],
        on_resumed: Callable[[], None] = nothing,
    ) -> Reflector[Record]:
        how = self._behaviour
        return Reflector(
            name, path, self._client, decode, mirror, self._visibility, how.resync, how.on_error_event,
            how.resumes_watches, how.on_gone, how.forbidden_is_empty, how.watches_from_list,
            on_closed=how.on_watch_closed, on_broken=how.on_broken_watch, on_resumed=on_resumed,
        )  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; an exception of any part ends all of them and is raised."""
        tasks = [asyncio.create_task(part) for part in self._parts()]
        ending = asyncio.create_task(stop.wait())
        try:
            waiting = {*tasks, ending}
            while not ending.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        task.result()
                    except Crash as crash:
                        _die(crash)
        finally:
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)
            await self._close_ports()
        LOG.info("stopping")
        await self._remove_pods()

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        options = self._options
        return [
            self._serve_rest(),
            self._serve_rpc(),
            self._nodes.run(),
            self._pods.run(),
            self._storage(),
            self._visibility.probe(self._client),
            self._discovery.run(),
            self._labels.run(),
            self._publisher.run(),
            config.follow(
                options.config,
                self._state.put_config,
                reader=self._behaviour.config_reader,
                on_bad=self._behaviour.on_bad_config,
            ),
            registry.follow(
                options.provider_configs_url,
                timeout_s=options.query_timeout_s,
                period_s=options.registry_query_period_s,
                apply=self._state.put_registry,
                tried=self._registry_tried,
                again=self._behaviour.asks_registry_again,
            ),
        ]

    async def _storage(self) -> None:
        """Follow storage from the moment on at which the configuration names a class."""
        while not self._state.config.cluster_storage:
            await pause(_LOOK_S, self._state.stores.happened)
        # No task group: a crash must stay the crash that it is.
        await asyncio.gather(self._classes.run(), self._volumes.run(), self._tools.run())

    async def _serve_rest(self) -> None:
        port = self._options.rest_port or await self._own_port("rest", REST_PORT)
        await self._runner.setup()

        async def start() -> None:
            site = web.TCPSite(self._runner, self._options.rest_address, port)
            try:
                await site.start()
            except OSError:
                await site.stop()  # or each attempt would leave one more site in the runner
                raise

        do = self._behaviour
        await listen(
            "rest", self._options.rest_address, port, start, retries=do.retries_ports, names_port=do.names_taken_ports
        )

    async def _serve_rpc(self) -> None:
        port = self._options.grpc_port or await self._own_port("grpc", GRPC_PORT)

        async def start() -> None:
            await self._rpc.start(self._options.rest_address, port)

        do = self._behaviour
        await listen(
            "grpc", self._options.rest_address, port, start, retries=do.retries_ports, names_port=do.names_taken_ports
        )

    async def _own_port(self, name: str, default: int) -> int:
        """The port of that name of our own pod's container, or the default outside of a pod."""
        if not kubeconfig.IN_POD.exists():
            return default
        path = f"/api/v1/namespaces/{self._options.pod_namespace}/pods/{os.environ.get('AP_POD_NAME', '')}"
        for wait_s in backoff():
            try:
                pod = await self._client.get(path)
            except ClusterError as exc:
                LOG.warning("couldn't read the %s port from our own pod: %s", name, exc.what)
                await pause(wait_s)
                continue
            for container in pod.get("spec", {}).get("containers", ()):
                for port in container.get("ports") or ():
                    if container.get("name") == "operator-inventory" and port.get("name") == name:
                        return int(port["containerPort"])
            break
        return default

    def _complete(self) -> bool:
        state = self._state
        seen = self._visibility.synced and state.stores.complete(state.config)
        return seen and self._registry_tried.is_set() and state.all_settled()

    def _view(self, inventory: Inventory) -> Inventory:
        behaviour, sight = self._behaviour, self._visibility
        if sight.refused:
            inventory = behaviour.inventory_while_refused(inventory)
        if sight.reconnecting:
            inventory = behaviour.inventory_while_reconnecting(inventory)
        return behaviour.inventory_while_away(inventory) if sight.away else inventory

    def _restart(self) -> None:
        for reflector in (self._nodes, self._pods, self._classes, self._volumes):
            reflector.restart()

    async def _close_ports(self) -> None:
        await asyncio.gather(self._rpc.stop(), self._runner.cleanup())

    async def _remove_pods(self) -> None:
        try:
            async with asyncio.timeout(_CLEAN_UP_S):
                await self._discovery.remove_all()
        except TimeoutError:
            LOG.warning("not all hardware discovery pods could be removed within %.0f s", _CLEAN_UP_S)


def _die(crash: Crash) -> NoReturn:
    """End as a panic ends a Go program: with the traceback, at once, and nothing closed or removed before."""
    traceback.print_exception(crash)
    sys.stderr.flush()
    os._exit(_CRASHED)
