"""What couriers choose from has a word on pages."""

from contract.proof_words import Reason, Relation
from hub.pages.route_words import REASONS, RELATIONS, said


def test_every_code_that_a_courier_can_choose_has_a_word() -> None:
    assert (set(REASONS), set(RELATIONS)) == (set(Reason), set(Relation))


def test_a_code_of_another_version_and_a_text_stand_for_themselves() -> None:
    assert said(REASONS, "") == ()
    assert said(REASONS, "recipient_accepts,damaged") == ("the recipient accepts it as it is", "parcel damaged")
    assert said(RELATIONS, "neighbour,tomorrow") == ("a neighbour", "tomorrow")
    assert said(RELATIONS, "aunt, on her way") == ("aunt, on her way",)
