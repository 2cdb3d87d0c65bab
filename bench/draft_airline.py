"""Tau-bench's airline policy: tools, and hand-written rules of its checkable sentences with examples."""

from draft_rules import Rule, case, tools

USER = (
    "get_user_details",
    {"user_id": "u"},
    {"membership": "regular", "payment_methods": {"gift_card_1": {}, "certificate_1": {}}},
)
BOOKED = {
    "reservation_id": "R",
    "user_id": "u",
    "cabin": "economy",
    "flight_type": "one_way",
    "created_at": "2024-05-01T08:00:00",
    "insurance": "no",
    "total_baggages": 1,
    "passengers": ["a", "b"],
    "flights": [{"flight_number": "F1", "date": "2024-05-20"}],
}

TOOLS = tools(
    book_reservation="user_id origin destination flight_type=one_way|round_trip cabin=basic_economy|economy|business flights passengers "
    "payment_methods total_baggages nonfree_baggages insurance=yes|no",
    calculate="expression",
    cancel_reservation="reservation_id",
    get_reservation_details="reservation_id",
    get_user_details="user_id",
    list_all_airports="",
    search_direct_flight="origin destination date",
    search_onestop_flight="origin destination date",
    send_certificate="user_id amount",
    think="thought",
    transfer_to_human_agents="summary",
    update_reservation_baggages="reservation_id total_baggages nonfree_baggages payment_id",
    update_reservation_flights="reservation_id cabin=basic_economy|economy|business flights payment_id",
    update_reservation_passengers="reservation_id passengers",
)


def reservation(**fields):
    return ("get_reservation_details", {"reservation_id": "R"}, BOOKED | fields)


def about(tool, *, booked=None, user="", more=(), **arguments):
    """A call about the reservation R, after it was looked up."""
    return case(tool, {"reservation_id": "R"} | arguments, user=user, earlier=[reservation(**(booked or {})), *more])


def book(user="", more=(), **arguments):
    plain = {
        "user_id": "u",
        "cabin": "economy",
        "passengers": ["a"],
        "payment_methods": [{"payment_id": "gift_card_1"}],
        "total_baggages": 0,
        "nonfree_baggages": 0,
    }
    return case("book_reservation", plain | arguments, user=user, earlier=more)


def paid(*methods):
    return book(payment_methods=[{"payment_id": method} for method in methods])


def bags(level, cabin, total, extra, people=1):
    profile = ("get_user_details", {"user_id": "u"}, {"membership": level})
    return book(
        more=[profile], cabin=cabin, total_baggages=total, nonfree_baggages=extra, passengers=["a", "b", "c"][:people]
    )


WRITES = (
    "book_reservation",
    "update_reservation_flights",
    "update_reservation_baggages",
    "update_reservation_passengers",
)
ONE = {"flight_number": "F1", "date": "2024-05-20"}
TWO = {"flight_number": "F2", "date": "2024-05-20"}
LAST = 'state.last("get_reservation_details", reservation_id=call.arguments["reservation_id"])'

RULES = [
    Rule(
        [3],
        [],
        f'''def consent(state, call):
    if call.name in {WRITES} and "yes" not in state.said("user").lower():
        return "List the details of the action and ask the user to confirm it with yes."''',
        keeps=[*(case(tool, user="Yes, please.") for tool in WRITES), case("think", user="Hm.")],
        breaks=[case(tool, user="Why?") for tool in WRITES],
    ),
    Rule(
        [5, 6],
        [],
        '''def one_call_at_a_time(state, call):
    if call.beside > 0 or call.said.strip() != "":
        return "Make this one call alone, without a word to the user."''',
        keeps=[case("think"), case("book_reservation")],
        breaks=[
            case("think", agent="Let me see."),
            case("think", other_calls=1),
            case("book_reservation", agent="I book it."),
        ],
    ),
    Rule(
        [16],
        [],
        '''def five_passengers(state, call):
    if call.name == "book_reservation" and len(call.arguments["passengers"]) > 5:
        return "Book at most five passengers."''',
        keeps=[
            book(passengers=list("abcde")),
            book(),
            case("update_reservation_passengers", {"passengers": list("abcdef")}),
        ],
        breaks=[book(passengers=list("abcdef")), book(passengers=list("abcdefgh"))],
    ),
    Rule(
        [19],
        [],
        '''def payment_methods_of_a_booking(state, call):
    if call.name == "book_reservation":
        paid = [method["payment_id"] for method in call.arguments["payment_methods"]]
        if sum(one.startswith("certificate") for one in paid) > 1:
            return "Use at most one travel certificate."
        if sum(one.startswith("credit_card") for one in paid) > 1:
            return "Use at most one credit card."
        if sum(one.startswith("gift_card") for one in paid) > 3:
            return "Use at most three gift cards."''',
        keeps=[
            paid("certificate_1", "credit_card_1", "gift_card_1"),
            paid("gift_card_1", "gift_card_2", "gift_card_3"),
            paid("credit_card_1"),
            paid("certificate_1"),
        ],
        breaks=[
            paid("certificate_1", "certificate_2"),
            paid("credit_card_1", "credit_card_2"),
            paid("gift_card_1", "gift_card_2", "gift_card_3", "gift_card_4"),
        ],
    ),
    Rule(
        [21],
        [9],
        '''def payment_from_the_profile(state, call):
    if call.name == "book_reservation":
        user = state.last("get_user_details", user_id=call.arguments["user_id"])
        if any(method["payment_id"] not in user["payment_methods"] for method in call.arguments["payment_methods"]):
            return "Use a payment method of the user's profile."''',
        keeps=[
            book(more=[USER]),
            book(more=[USER], payment_methods=[{"payment_id": "certificate_1"}, {"payment_id": "gift_card_1"}]),
            case("think"),
        ],
        breaks=[
            book(more=[USER], payment_methods=[{"payment_id": "gift_card_2"}]),
            book(more=[USER], payment_methods=[{"payment_id": "gift_card_1"}, {"payment_id": "gift_card_2"}]),
        ],
    ),
    Rule(
        [22, 23, 24],
        [9],
        '''def free_bags(state, call):
    if call.name == "book_reservation":
        level = state.last("get_user_details", user_id=call.arguments["user_id"])["membership"]
        free = {
            "regular": {"basic_economy": 0, "economy": 1, "business": 2},
            "silver": {"basic_economy": 1, "economy": 2, "business": 3},
            "gold": {"basic_economy": 2, "economy": 3, "business": 3},
        }[level][call.arguments["cabin"]] * len(call.arguments["passengers"])
        if call.arguments["nonfree_baggages"] != max(0, call.arguments["total_baggages"] - free):
            return f"{free} bags are free."''',
        keeps=[
            bags(level, cabin, free + 1, 1)
            for level, row in (("regular", (0, 1, 2)), ("silver", (1, 2, 3)), ("gold", (2, 3, 3)))
            for cabin, free in zip(("basic_economy", "economy", "business"), row, strict=True)
        ]
        + [bags("silver", "economy", 4, 0, people=2), bags("gold", "business", 1, 0), case("think")],
        breaks=[
            bags(level, cabin, free + 1, 0)
            for level, row in (("regular", (0, 1, 2)), ("silver", (1, 2, 3)), ("gold", (2, 3, 3)))
            for cabin, free in zip(("basic_economy", "economy", "business"), row, strict=True)
        ]
        + [bags("silver", "economy", 5, 0, people=2), bags("gold", "business", 1, 1)],
    ),
    Rule(
        [28],
        [11, 32],
        f'''def basic_economy_keeps_its_flights(state, call):
    if call.name == "update_reservation_flights":
        booked = {LAST}
        now = [(flight["flight_number"], flight["date"]) for flight in booked["flights"]]
        if booked["cabin"] == "basic_economy" and [(flight["flight_number"], flight["date"]) for flight in call.arguments["flights"]] != now:
            return "Decline to change the flights of a basic economy reservation."''',
        keeps=[
            about("update_reservation_flights", booked={"cabin": "basic_economy"}, flights=[ONE]),
            about("update_reservation_flights", flights=[TWO]),
            about("update_reservation_baggages", booked={"cabin": "basic_economy"}, flights=[TWO]),
        ],
        breaks=[
            about("update_reservation_flights", booked={"cabin": "basic_economy"}, flights=[TWO]),
            about(
                "update_reservation_flights", booked={"cabin": "basic_economy"}, flights=[ONE | {"date": "2024-05-21"}]
            ),
        ],
    ),
    Rule(
        [35],
        [],
        f'''def bags_are_only_added(state, call):
    if call.name == "update_reservation_baggages":
        if call.arguments["total_baggages"] < {LAST}["total_baggages"]:
            return "Decline to remove checked bags."''',
        keeps=[
            about("update_reservation_baggages", total_baggages=1, nonfree_baggages=0),
            about("update_reservation_baggages", total_baggages=2, nonfree_baggages=0),
        ],
        breaks=[
            about("update_reservation_baggages", total_baggages=0, nonfree_baggages=0),
            about("update_reservation_baggages", booked={"total_baggages": 3}, total_baggages=2, nonfree_baggages=2),
        ],
    ),
    Rule(
        [37],
        [],
        f'''def same_number_of_passengers(state, call):
    if call.name == "update_reservation_passengers":
        if len(call.arguments["passengers"]) != len({LAST}["passengers"]):
            return "Keep the number of passengers."''',
        keeps=[
            about("update_reservation_passengers", passengers=["a", "c"]),
            about("update_reservation_passengers", booked={"passengers": ["a"]}, passengers=["b"]),
        ],
        breaks=[
            about("update_reservation_passengers", passengers=["a"]),
            about("update_reservation_passengers", passengers=["a", "b", "c"]),
        ],
    ),
    Rule(
        [39],
        [],
        '''def change_paid_by_card(state, call):
    if call.name == "update_reservation_flights":
        paid = call.arguments["payment_id"]
        if not (paid.startswith("gift_card") or paid.startswith("credit_card")):
            return "Ask for a gift card or a credit card."''',
        keeps=[
            about("update_reservation_flights", payment_id="gift_card_1"),
            about("update_reservation_flights", payment_id="credit_card_1"),
            about("update_reservation_baggages", payment_id="certificate_1"),
        ],
        breaks=[
            about("update_reservation_flights", payment_id="certificate_1"),
            about("update_reservation_flights", payment_id="certificate_2"),
        ],
    ),
    Rule(
        [42, 43],
        [1, 10, 41],
        f"""def cancel_conditions(state, call):
    if call.name == "cancel_reservation":
        booked = {LAST}
        if datetime.fromisoformat("2024-05-15T15:00:00") - datetime.fromisoformat(booked["created_at"]) <= timedelta(hours=24):
            return None
        if booked["cabin"] == "business":
            return None
        if booked["insurance"] == "yes":
            raise LookupError("whether the condition of the insurance is met, no tool shows")
        if booked["cabin"] in ("basic_economy", "economy") and "airline" not in state.said("user").lower():
            return "Decline: booked over 24 hours ago, not business, and without insurance."
        raise LookupError("whether the airline cancelled the flight, no tool shows")""",
        keeps=[
            about("cancel_reservation", user="Yes", booked={"created_at": "2024-05-14T15:00:00"}),
            about("cancel_reservation", user="Yes", booked={"cabin": "business"}),
            about(
                "cancel_reservation", user="Yes", booked={"cabin": "basic_economy", "created_at": "2024-05-15T01:00:00"}
            ),
        ],
        breaks=[
            about("cancel_reservation", user="Yes", booked={"created_at": "2024-05-14T14:59:59"}),
            about("cancel_reservation", user="Yes", booked={"cabin": "basic_economy"}),
        ],
    ),
    Rule(
        [46],
        [1, 10, 11],
        f'''def only_what_is_not_flown(state, call):
    if call.name == "cancel_reservation":
        if any(flight["date"] < "2024-05-15" for flight in {LAST}["flights"]):
            return "Transfer the user to a human agent: a part of the trip is already flown."''',
        keeps=[
            about("cancel_reservation"),
            about("cancel_reservation", booked={"flights": [ONE, TWO]}),
            about("cancel_reservation", booked={"flights": [ONE | {"date": "2024-05-15"}]}),
        ],
        breaks=[
            about("cancel_reservation", booked={"flights": [ONE | {"date": "2024-05-14"}, TWO]}),
            about("cancel_reservation", booked={"flights": [ONE, TWO | {"date": "2024-05-14"}]}),
        ],
    ),
]
CHECKABLE = (3, 5, 6, 16, 19, 21, 22, 23, 24, 25, 28, 29, 35, 36, 37, 39, 42, 43, 46, 49, 50, 52)
"""Sentences that a rule before a tool call can decide, at least in part."""
