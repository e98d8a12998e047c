"""Profiles that come with Holdfast. Each names its source; what a source leaves open is said to be our choice.

A preset is a beginning, not a licence: the label of the product and its stability data come first.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from contract.coldchain.profile import HOUR_S, MINUTE_S, Limit, Profile, Rule, Side

DOOR_S: Final = 30 * MINUTE_S
"""Our choice where a source allows short deviations without a number: an open door shows in the air long before the load."""
DAY_S: Final = 24 * HOUR_S

PHARMA_2_8: Final = Profile(
    name="pharma-2-8",
    limits=(
        Limit("above 8", Side.ABOVE, 800, allowed_s=DOOR_S),
        Limit("below 2", Side.BELOW, 200, allowed_s=DOOR_S),
        Limit("freezing", Side.BELOW, 0, inclusive=True),
    ),
)
"""Refrigerated medicines, 2 to 8 °C.

Source: the EU guidelines on good distribution practice (2013/C 343/01, chapter 9) want the storage conditions kept on the way
that the manufacturer or the outer packaging states, and give no figures; 2 to 8 °C is what is commonly stated. The delay for
doors is our choice; 0 °C alarms at once, because what froze is lost at once.
"""

CRT_20_25: Final = Profile(
    name="crt-20-25",
    limits=(
        Limit("above 30", Side.ABOVE, 3_000),
        Limit("below 15", Side.BELOW, 1_500),
        Limit("above 25", Side.ABOVE, 2_500, Rule.DUAL, allowed_s=30 * DAY_S),
        Limit("below 20", Side.BELOW, 2_000, Rule.DUAL, allowed_s=30 * DAY_S),
    ),
)
"""Controlled room temperature, 20 to 25 °C, excursions between 15 and 30 °C permitted.

Source: USP general chapter 659, Packaging and Storage Requirements. It sets no time for excursions between 15 and 30 °C but a
mean kinetic temperature of 25 °C at most, which stands beside the verdict here. So time outside 20 to 25 °C is recorded, and
alarms when both sides together reach 30 days, the window of that mean. The chapter also permits spikes up to 40 °C for up to
24 h under the same condition; because the mean never decides here, more than 30 °C alarms at once.
"""

FROZEN_18: Final = Profile(
    name="frozen-18",
    limits=(
        Limit("above -15", Side.ABOVE, -1_500),
        Limit("above -18", Side.ABOVE, -1_800, allowed_s=DOOR_S),
    ),
)
"""Quick-frozen food, -18 °C or colder.

Source: Directive 89/108/EEC, article 5: -18 °C or lower, in transport with brief upward fluctuations of 3 °C at most. How long
is brief is our choice.
"""

WHO_TYPE_1: Final = Profile(
    name="who-type-1",
    limits=(
        Limit("45 or above", Side.ABOVE, 4_500, Rule.SINGLE, HOUR_S, inclusive=True),
        Limit("30 or above", Side.ABOVE, 3_000, Rule.CUMULATIVE, 10 * HOUR_S, inclusive=True),
        Limit("-0.5 or below", Side.BELOW, -50, Rule.SINGLE, HOUR_S, inclusive=True),
    ),
)
"""International shipment of vaccines that must not freeze: shipping indicator type 1.

Source: WHO, Step-by-step interpretation of 10-day electronic temperature monitoring devices for international vaccine shipments
(Q-tag 2plus, 2009), after WHO/IVB/05.23, Guidelines on the international packaging and shipping of vaccines: 45 °C or above for
1 h in one event, 30 °C or above for 10 h in all, -0.5 °C or below for 1 h in one event.
"""

WHO_TYPE_2: Final = Profile(
    name="who-type-2",
    limits=(
        Limit("45 or above", Side.ABOVE, 4_500, Rule.SINGLE, HOUR_S, inclusive=True),
        Limit("30 or above", Side.ABOVE, 3_000, Rule.CUMULATIVE, 10 * HOUR_S, inclusive=True),
        Limit("10 or above", Side.ABOVE, 1_000, Rule.CUMULATIVE, 20 * HOUR_S, inclusive=True),
    ),
)
"""International shipment of freeze-dried and oral polio vaccines with frozen packs: shipping indicator type 2.

Source: as type 1; instead of the lower limit 10 °C or above for 20 h in all.
"""

FRIDGE_TAG: Final = Profile(
    name="fridge-tag",
    limits=(
        Limit("above 8", Side.ABOVE, 800, allowed_s=600 * MINUTE_S),
        Limit("-0.5 or below", Side.BELOW, -50, allowed_s=60 * MINUTE_S, inclusive=True),
    ),
)
"""Vaccine refrigerators, as 30-day temperature recorders are commonly set.

No document that we could read gives these figures for all of them: more than 10 h without a break above 8 °C, or 60 min without
a break at -0.5 °C or below. Berlinger's manual of the Fridge-tag says that an alarm is of a single event, for example below
-0.5 °C for more than 1 h; what a logger alarms at is preset by order, so compare its own printout.
"""

PRESETS: Final[Mapping[str, Profile]] = MappingProxyType(
    {preset.name: preset for preset in (PHARMA_2_8, CRT_20_25, FROZEN_18, WHO_TYPE_1, WHO_TYPE_2, FRIDGE_TAG)}
)
"""All of them, by name."""
