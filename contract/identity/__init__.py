"""What a scanned code means: the grammar of parcel identities that device and hub share.

SSCC, GTIN with and without serial, GS1 element strings and Digital Links, UPU S10, carriers' numbers,
plain codes, and Holdfast's own configuration cards.
"""

from contract.identity.gs1 import load_grammar
from contract.identity.model import Candidate, Confidence, Identity, Kind
from contract.identity.recognition import identify, split_aim
from contract.identity.report import Element, IdentityReport, identity_report
from contract.identity.text import display
from contract.limits import MAX_CODE_BYTES

__all__ = [
    "MAX_CODE_BYTES",
    "Candidate",
    "Confidence",
    "Element",
    "Identity",
    "IdentityReport",
    "Kind",
    "display",
    "identify",
    "identity_report",
    "load_grammar",
    "split_aim",
]
