"""The airline policy of tau-bench, as far as it can be checked before a tool call runs.

Each public function is a rule: it is given where the conversation stands and the call about to be made, and returns what
to do instead where the rule is broken. Where it raises, it could not tell: a KeyError or TypeError here means that the
reservation, the user or the flight was never looked up.
"""

import re
from datetime import datetime, timedelta

from counterform.guard.calls import Call, Result, State

_NOW = datetime(2024, 5, 15, 15, 0)
_FREE_BAGS = {
    "regular": {"basic_economy": 0, "economy": 1, "business": 2},
    "silver": {"basic_economy": 1, "economy": 2, "business": 3},
    "gold": {"basic_economy": 2, "economy": 3, "business": 3},
}
_BOOKING_WRITES = (
    "book_reservation",
    "update_reservation_flights",
    "update_reservation_baggages",
    "update_reservation_passengers",
    "cancel_reservation",
)
_RESERVATION_TOOLS = ("get_reservation_details", *_BOOKING_WRITES)
_YES = re.compile(
    r"\b(yes|yeah|yep|confirm(ed)?|proceed|go ahead|please do|correct|sure|sounds good|okay|ok|absolutely|do it|agreed?|approved?)\b",
    re.IGNORECASE,
)
_COVERED = re.compile(
    r"\b(sick\w*|ill|illness|unwell|health|medical|hospital\w*|doctor|surgery|injur\w+|weather|storm\w*|snow\w*|hurricane)\b",
    re.IGNORECASE,
)
_AIRLINE_CANCELLED = re.compile(
    r"\bcancell?ed\b.{0,40}\b(by|airline)\b|\bairline\b.{0,40}\bcancell?ed\b", re.IGNORECASE
)


def _reservation(state, call):
    """The reservation a call is about, as the tools last showed it."""
    return state.last(*_RESERVATION_TOOLS, reservation_id=call.arguments["reservation_id"])


def _user(state, user_id):
    return state.last("get_user_details", user_id=user_id)


def _legs(flights):
    return [(flight["flight_number"], flight["date"]) for flight in flights]


def _ends(state, legs):
    """Where a row of flights starts and ends, of flights that some search or reservation has shown."""
    known = {}
    for result in state.results:
        rows = result.value["flights"] if isinstance(result.value, dict) and "flights" in result.value else result.value
        for row in rows if isinstance(rows, list) else []:
            for flight in row if isinstance(row, list) else [row]:
                if isinstance(flight, dict) and "origin" in flight:
                    known[flight["flight_number"]] = (flight["origin"], flight["destination"])
    return known[legs[0][0]][0], known[legs[-1][0]][1]


def consent(state, call):
    """Before taking any actions that update the booking database, you must list the action details and obtain explicit
    user confirmation (yes) to proceed.
    """
    if call.name in _BOOKING_WRITES and not _YES.search(state.said("user")):
        return "List the details of the action and ask the user to confirm it with yes."


def one_thing_at_a_time(state, call):
    """You should only make one tool call at a time, and if you make a tool call, you should not respond to the user
    simultaneously.
    """
    if call.beside or call.said.strip():
        return "Make this one call alone, without a word to the user."


def looked_up_first(state, call):
    """The API does not check these for the agent, so the agent must make sure the rules apply before calling the API."""
    if call.name in _BOOKING_WRITES and "reservation_id" in call.arguments and _reservation(state, call) is None:
        return "Look up the reservation with get_reservation_details first."


def basic_economy_keeps_its_flights(state, call):
    """Basic economy flights cannot be modified. All reservations, including basic economy, can change cabin without
    changing the flights.
    """
    if call.name == "update_reservation_flights":
        booked = _reservation(state, call)
        if booked["cabin"] == "basic_economy" and _legs(call.arguments["flights"]) != _legs(booked["flights"]):
            return "Decline to change the flights of a basic economy reservation; only its cabin can be changed."


def same_origin_and_destination(state, call):
    """Other reservations can be modified without changing the origin, destination, and trip type."""
    if call.name == "update_reservation_flights":
        booked, legs = _reservation(state, call), _legs(call.arguments["flights"])
        back = booked["origin"] if booked["flight_type"] == "round_trip" else booked["destination"]
        if _ends(state, legs) != (booked["origin"], back):
            return f"Keep a {booked['flight_type']} trip from {booked['origin']} to {booked['destination']}."


def cancel_conditions(state, call):
    """All reservations can be cancelled within 24 hours of booking, or if the airline cancelled the flight. Otherwise,
    basic economy or economy flights can be cancelled only if travel insurance is bought and the condition is met, and
    business flights can always be cancelled.
    """
    if call.name == "cancel_reservation":
        booked = _reservation(state, call)
        told = " ".join(text for who, text in state.messages if who == "user")
        if booked["cabin"] == "business" or _NOW - datetime.fromisoformat(booked["created_at"]) <= timedelta(hours=24):
            return None
        if booked["insurance"] == "yes" and _COVERED.search(told):
            return None
        if _AIRLINE_CANCELLED.search(told):
            raise LookupError("whether the airline cancelled the flight, no tool shows")
        return "Decline: booked over 24 hours ago, not business, and no insured reason (health or weather)."


def cancel_only_what_is_not_flown(state, call):
    """The agent can only cancel the whole trip that is not flown."""
    if call.name == "cancel_reservation":
        flown = [flight for flight in _reservation(state, call)["flights"] if flight["date"] < f"{_NOW:%Y-%m-%d}"]
        if flown:
            return "Transfer the user to a human agent: a part of the trip is already flown."


def payment_methods_of_a_booking(state, call):
    """Each reservation can use at most one travel certificate, at most one credit card, and at most three gift cards."""
    if call.name == "book_reservation":
        paid = [method["payment_id"] for method in call.arguments["payment_methods"]]
        for kind, most in (("certificate", 1), ("credit_card", 1), ("gift_card", 3)):
            if sum(method.startswith(kind) for method in paid) > most:
                return f"Use at most {most} {kind.replace('_', ' ')}."


def payment_from_the_profile(state, call):
    """All payment methods must already be in user profile for safety reasons."""
    if call.name == "book_reservation":
        user, paid = call.arguments["user_id"], [method["payment_id"] for method in call.arguments["payment_methods"]]
    elif "payment_id" in call.arguments:
        user, paid = _reservation(state, call)["user_id"], [call.arguments["payment_id"]]
    else:
        return None
    strange = set(paid) - set(_user(state, user)["payment_methods"])
    if strange:
        return f"Use a payment method of the user's profile; {', '.join(sorted(strange))} is not in it."


def change_paid_by_card(state, call):
    """If the flights are changed, the user needs to provide one gift card or credit card for payment or refund method."""
    if call.name == "update_reservation_flights" and call.arguments["payment_id"].startswith("certificate"):
        return "Ask for a gift card or a credit card."


def baggage_allowance(state, call):
    """If the booking user is a regular member, 0 free checked bag for each basic economy passenger, 1 free checked bag for
    each economy passenger, and 2 free checked bags for each business passenger. Silver: 1, 2 and 3; gold: 2, 3 and 3. Each
    extra baggage is 50 dollars.
    """
    if call.name == "book_reservation":
        booked = call.arguments
    elif call.name == "update_reservation_baggages":
        booked = _reservation(state, call)
    else:
        return None
    free = _FREE_BAGS[_user(state, booked["user_id"])["membership"]][booked["cabin"]] * len(booked["passengers"])
    due = max(0, call.arguments["total_baggages"] - free)
    if call.arguments["nonfree_baggages"] != due:
        return f"{free} bags are free, so {due} of {call.arguments['total_baggages']} are paid for."


def bags_are_only_added(state, call):
    """The user can add but not remove checked bags."""
    if call.name == "update_reservation_baggages":
        booked = _reservation(state, call)
        if call.arguments["total_baggages"] < booked["total_baggages"]:
            return "Decline to remove checked bags."


def five_passengers(state, call):
    """Each reservation can have at most five passengers."""
    if call.name == "book_reservation" and len(call.arguments["passengers"]) > 5:
        return "Book at most five passengers."


def same_number_of_passengers(state, call):
    """The user can modify passengers but cannot modify the number of passengers."""
    if call.name == "update_reservation_passengers":
        booked = _reservation(state, call)
        if len(call.arguments["passengers"]) != len(booked["passengers"]):
            return "Keep the number of passengers."


def who_gets_a_certificate(state, call):
    """Do not compensate if the user is regular member and has no travel insurance and flies (basic) economy. The amount is
    $100 times the number of passengers for cancelled flights, $50 for delayed ones.
    """
    if call.name == "send_certificate":
        user = call.arguments["user_id"]
        seen = [
            result.value
            for result in state.results
            if result.call.name in _RESERVATION_TOOLS and result.value and result.value["user_id"] == user
        ]
        if _user(state, user)["membership"] == "regular" and not any(
            booked["insurance"] == "yes" or booked["cabin"] == "business" for booked in seen
        ):
            return "Decline: a regular member without insurance who does not fly business gets no compensation."
        amounts = {each * len(booked["passengers"]) for booked in seen for each in (50, 100)}
        if call.arguments["amount"] not in amounts:
            return f"Send one of {sorted(amounts)} dollars."


_BOOKED = {
    "reservation_id": "R",
    "user_id": "u",
    "cabin": "basic_economy",
    "origin": "JFK",
    "destination": "SEA",
    "flight_type": "one_way",
    "created_at": "2024-05-01T08:00:00",
    "insurance": "no",
    "total_baggages": 1,
    "passengers": ["a", "b"],
    "flights": [{"flight_number": "F1", "date": "2024-05-20", "origin": "JFK", "destination": "SEA"}],
}
_PROFILE = {"membership": "regular", "payment_methods": {"gift_card_1": {}, "certificate_1": {}}}


def _state(said="Yes, please.", profile=_PROFILE, **booked):
    """A conversation in which the user, a reservation and two flights were looked up."""
    flights = [{"flight_number": n, "origin": "JFK", "destination": to} for n, to in (("F2", "SEA"), ("F3", "LAX"))]
    shown = (
        ("get_user_details", {"user_id": "u"}, profile),
        ("get_reservation_details", {"reservation_id": "R"}, _BOOKED | booked),
        ("search_direct_flight", {}, flights),
    )
    results = tuple(Result(call=Call(name=name, arguments=asked), text="", value=value) for name, asked, value in shown)
    return State(messages=(("user", said),), results=results)


def _call(name, **arguments):
    return Call(name=name, arguments={"reservation_id": "R"} | arguments)


def _change(*numbers, date="2024-05-20", payment="gift_card_1"):
    flights = [{"flight_number": number, "date": date} for number in numbers]
    return _call("update_reservation_flights", flights=flights, payment_id=payment)


def _book(*payments, passengers=("a",), bags=0, paid_bags=0):
    arguments = {"user_id": "u", "cabin": "economy", "passengers": passengers}
    bags_asked = {"total_baggages": bags, "nonfree_baggages": paid_bags}
    return Call(
        name="book_reservation",
        arguments=arguments | bags_asked | {"payment_methods": [{"payment_id": method} for method in payments]},
    )


def _test_talk():
    assert consent(_state("Why do you ask?"), _call("cancel_reservation"))
    assert consent(_state(), _call("cancel_reservation")) is None
    assert one_thing_at_a_time(_state(), Call(name="think", said="Let me see."))
    assert one_thing_at_a_time(_state(), Call(name="think")) is None
    assert looked_up_first(State(), _call("cancel_reservation"))
    assert looked_up_first(_state(), _call("cancel_reservation")) is None


def _test_changes():
    assert basic_economy_keeps_its_flights(_state(), _change("F2"))
    assert basic_economy_keeps_its_flights(_state(), _change("F1")) is None
    assert basic_economy_keeps_its_flights(_state(cabin="economy"), _change("F2")) is None
    assert same_origin_and_destination(_state(), _change("F3"))
    assert same_origin_and_destination(_state(), _change("F2")) is None
    assert change_paid_by_card(_state(), _change("F2", payment="certificate_1"))
    assert change_paid_by_card(_state(), _change("F2")) is None
    assert same_number_of_passengers(_state(), _call("update_reservation_passengers", passengers=["a"]))
    assert same_number_of_passengers(_state(), _call("update_reservation_passengers", passengers=["a", "c"])) is None


def _test_cancelling():
    cancel = _call("cancel_reservation")
    assert cancel_conditions(_state(), cancel)
    assert cancel_conditions(_state("I changed my plans. Yes.", insurance="yes"), cancel)
    assert cancel_conditions(_state("I am ill. Yes.", insurance="yes"), cancel) is None
    assert cancel_conditions(_state(cabin="business"), cancel) is None
    assert cancel_conditions(_state(created_at="2024-05-15T01:00:00"), cancel) is None
    assert cancel_only_what_is_not_flown(_state(flights=[{"date": "2024-05-14"}]), cancel)
    assert cancel_only_what_is_not_flown(_state(), cancel) is None


def _test_money():
    assert payment_methods_of_a_booking(_state(), _book("certificate_1", "certificate_2"))
    assert payment_methods_of_a_booking(_state(), _book("certificate_1", "gift_card_1")) is None
    assert payment_from_the_profile(_state(), _book("credit_card_9"))
    assert payment_from_the_profile(_state(), _change("F1")) is None
    assert five_passengers(_state(), _book(passengers="abcdef"))
    assert five_passengers(_state(), _book(passengers="abcde")) is None
    assert who_gets_a_certificate(_state(), Call(name="send_certificate", arguments={"user_id": "u", "amount": 100}))
    gold = _state(profile=_PROFILE | {"membership": "gold"})
    assert who_gets_a_certificate(gold, Call(name="send_certificate", arguments={"user_id": "u", "amount": 70}))
    assert (
        who_gets_a_certificate(gold, Call(name="send_certificate", arguments={"user_id": "u", "amount": 200})) is None
    )


def _test_bags():
    assert baggage_allowance(_state(), _book(bags=2))
    assert baggage_allowance(_state(), _book(bags=2, paid_bags=1)) is None
    assert bags_are_only_added(_state(), _call("update_reservation_baggages", total_baggages=0))
    assert bags_are_only_added(_state(), _call("update_reservation_baggages", total_baggages=2)) is None
