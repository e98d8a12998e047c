"""Enrolling and revoking devices, for programs of administrators."""

from secrets import token_bytes
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from hub.accounts.api import Admin, Why, refusals
from hub.agent_file import KEY_BYTES, agent_config
from hub.broker.address import parse_broker
from hub.context import Hub, HubContext
from hub.problems import PROBLEM_RESPONSES
from hub.requests import AddDevices, RevokeDevice, WhereIsMqtt

router = APIRouter(
    prefix="/api/v1",
    tags=["fleet"],
    responses={**PROBLEM_RESPONSES, 409: {"description": "What is there does not allow it"}},
)


class NewDevice(BaseModel):
    """A device to enrol."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="Lower-case letters, digits and hyphens."
    )
    place: Annotated[str, StringConstraints(max_length=256)] = Field(default="", description="Where it is, for people.")
    hub: Annotated[str, StringConstraints(max_length=256)] = Field(
        default="",
        description="Where it reaches the broker, if not as served: `mqtt://HOST:PORT` or `mqtts://HOST:PORT`.",
    )


class EnrolledDevice(BaseModel):
    """What the device needs. It is told once."""

    id: str
    agent_toml: str = Field(description="The connection part of its `agent.toml`, with its own credential.")


@router.post("/devices", status_code=201, summary="Enrol a device")
def add(body: NewDevice, hub: Hub, caller: Admin) -> EnrolledDevice:
    """Keep `agent_toml` on the device, readable by its owner only; the credential in it cannot be read back."""
    with refusals():
        text = enrol_device(hub, body.id, body.place, body.hub, caller.name)
    return EnrolledDevice(id=body.id, agent_toml=text)


@router.post("/devices/{device_id}/revoke", status_code=204, summary="Let a device speak no more")
def revoke(device_id: str, body: Why, hub: Hub, caller: Admin) -> None:
    """Its connection ends; what it said stays."""
    with refusals():
        hub.administer(RevokeDevice(device_id, caller.name, body.reason))


def enrol_device(hub: HubContext, device: str, place: str, url: str, who: str) -> str:
    """Enrol a device; the connection part of its `agent.toml`.

    Raises:
        Refused: the id or the address cannot be used, or the device is there already.
    """
    reached = url.strip() or served_at(hub)
    parse_broker(reached)
    key = token_bytes(KEY_BYTES)
    hub.administer(AddDevices({device: key.hex()}, place.strip(), who))
    return agent_config(device=device, place=place.strip(), hub=reached, key=key)


def served_at(hub: HubContext) -> str:
    """Where devices reach the broker, as last served."""
    return str(hub.administer(WhereIsMqtt()))
