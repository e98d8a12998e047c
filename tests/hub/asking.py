"""A router by itself, asked without a server: everybody may, and the clock stands still."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
from fastapi import APIRouter, FastAPI
from sqlalchemy import Connection, Engine

from hub.ahead import Ahead
from hub.context import hub_context, read_connection
from hub.problems import install_problems


@dataclass
class StillHub:
    now: int
    ahead: Ahead

    def now_ms(self) -> int:
        return self.now


def app_of(router: APIRouter, database: Engine, now_ms: int) -> FastAPI:
    app = FastAPI()
    app.include_router(router)

    def connection() -> Iterator[Connection]:
        with database.connect() as reader:
            yield reader

    install_problems(app)
    for dependency in router.dependencies:
        assert dependency.dependency is not None
        app.dependency_overrides[dependency.dependency] = lambda: None
    app.dependency_overrides[hub_context] = lambda: StillHub(now_ms, Ahead())
    app.dependency_overrides[read_connection] = connection
    return app


def ask(app: FastAPI, path: str) -> httpx2.Response:
    async def get() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://hub") as client:
            return await client.get(path)

    return asyncio.run(get())
