"""Tau-bench's retail policy: tools, and hand-written rules of its checkable sentences with examples."""

from draft_rules import Rule, case, tools

ADDRESS = "address1 address2 city state country zip"
TOOLS = tools(
    calculate="expression",
    cancel_pending_order="order_id reason",
    exchange_delivered_order_items="order_id item_ids new_item_ids payment_method_id",
    find_user_id_by_email="email",
    find_user_id_by_name_zip="first_name last_name zip",
    get_order_details="order_id",
    get_product_details="product_id",
    get_user_details="user_id",
    list_all_product_types="",
    modify_pending_order_address=f"order_id {ADDRESS}",
    modify_pending_order_items="order_id item_ids new_item_ids payment_method_id",
    modify_pending_order_payment="order_id payment_method_id",
    modify_user_address=f"user_id {ADDRESS}",
    return_delivered_order_items="order_id item_ids payment_method_id",
    think="thought",
    transfer_to_human_agents="summary",
)
ORDER = {
    "order_id": "O",
    "user_id": "u",
    "status": "pending",
    "payment_history": [{"payment_method_id": "credit_card_1", "amount": 10}],
    "items": [{"item_id": "1", "product_id": "7"}],
}
LAST = 'state.last("get_order_details", order_id=call.arguments["order_id"])'
WRITES = (
    "cancel_pending_order",
    "modify_pending_order_address",
    "modify_pending_order_items",
    "modify_pending_order_payment",
    "return_delivered_order_items",
    "exchange_delivered_order_items",
)
MODIFY = WRITES[1:4]


def about(tool, *, status="pending", user="", more=(), order=None, **arguments):
    """A call about the order O, after it was looked up."""
    shown = ("get_order_details", {"order_id": "O"}, ORDER | {"status": status} | (order or {}))
    return case(tool, {"order_id": "O"} | arguments, user=user, earlier=[shown, *more])


def made(tool, **arguments):
    return (tool, {"order_id": "O"} | arguments, {"status": "done"})


def status_rule(number, name, tools_judged, status):
    return Rule(
        [number],
        [],
        f'''def {name}(state, call):
    if call.name in {tuple(tools_judged)} and {LAST}["status"] != "{status}":
        return "Decline: the order is not {status}."''',
        keeps=[
            *(about(tool, status=status) for tool in tools_judged),
            about("think", status="cancelled"),
            about("modify_user_address", status="cancelled"),
        ],
        breaks=[
            about(tool, status=other)
            for tool in tools_judged
            for other in ("cancelled", "processed", "delivered" if status == "pending" else "pending")
        ],
    )


def profile(**methods):
    return ("get_user_details", {"user_id": "u"}, {"payment_methods": methods})


CARD = {
    "credit_card_1": {"source": "credit_card"},
    "gift_card_2": {"source": "gift_card", "balance": 10},
    "gift_card_3": {"source": "gift_card", "balance": 9},
}

RULES = [
    Rule(
        [6],
        [],
        f'''def consent(state, call):
    if call.name in {(*WRITES, "modify_user_address")} and "yes" not in state.said("user").lower():
        return "List the details of the action and ask the user to confirm it with yes."''',
        keeps=[
            *(case(tool, user="Yes, please.") for tool in (*WRITES, "modify_user_address")),
            case("think", user="Hm."),
        ],
        breaks=[case(tool, user="Why?") for tool in (*WRITES, "modify_user_address")],
    ),
    Rule(
        [8, 9],
        [],
        '''def one_call_at_a_time(state, call):
    if call.beside > 0 or call.said.strip() != "":
        return "Make this one call alone, without a word to the user."''',
        keeps=[case("think"), case("cancel_pending_order")],
        breaks=[
            case("think", agent="Let me see."),
            case("think", other_calls=1),
            case("cancel_pending_order", agent="I cancel it."),
        ],
    ),
    Rule(
        [22],
        [],
        f'''def called_once(state, call):
    if call.name in {(WRITES[5], *MODIFY)} and any(
        result.call.name == call.name and result.call.arguments["order_id"] == call.arguments["order_id"] for result in state.results
    ):
        return "This was done for the order already; it can be done once."''',
        keeps=[
            *(about(tool) for tool in (WRITES[5], *MODIFY)),
            about(MODIFY[0], more=[made(MODIFY[1])]),
            about("think", more=[made("think")]),
            about(MODIFY[0], more=[(MODIFY[0], {"order_id": "P"}, {})]),
        ],
        breaks=[about(tool, more=[made(tool)]) for tool in (WRITES[5], *MODIFY)],
    ),
    status_rule(24, "cancel_only_pending", ["cancel_pending_order"], "pending"),
    Rule(
        [25],
        [],
        '''def reason_of_a_cancellation(state, call):
    if call.name == "cancel_pending_order" and call.arguments["reason"] not in ("no longer needed", "ordered by mistake"):
        return "Ask for the reason: no longer needed, or ordered by mistake."''',
        keeps=[
            case("cancel_pending_order", {"reason": "no longer needed"}),
            case("cancel_pending_order", {"reason": "ordered by mistake"}),
            case("think", {"reason": "x"}),
        ],
        breaks=[
            case("cancel_pending_order", {"reason": "found it cheaper"}),
            case("cancel_pending_order", {"reason": ""}),
        ],
    ),
    status_rule(27, "modify_only_pending", MODIFY, "pending"),
    Rule(
        [29],
        [],
        f'''def another_payment_method(state, call):
    if call.name == "modify_pending_order_payment":
        paid = {LAST}["payment_history"]
        if any(payment["payment_method_id"] == call.arguments["payment_method_id"] for payment in paid):
            return "Ask for a payment method other than the original one."''',
        keeps=[
            about("modify_pending_order_payment", payment_method_id="gift_card_2"),
            about("modify_pending_order_items", payment_method_id="credit_card_1"),
        ],
        breaks=[
            about("modify_pending_order_payment", payment_method_id="credit_card_1"),
            about(
                "modify_pending_order_payment",
                payment_method_id="gift_card_2",
                order={
                    "payment_history": [{"payment_method_id": "credit_card_1"}, {"payment_method_id": "gift_card_2"}]
                },
            ),
        ],
    ),
    Rule(
        [30],
        [13],
        f'''def balance_of_a_gift_card(state, call):
    if call.name == "modify_pending_order_payment" and call.arguments["payment_method_id"].startswith("gift_card"):
        order = {LAST}
        cards = state.last("get_user_details", user_id=order["user_id"])["payment_methods"]
        total = sum(payment["amount"] for payment in order["payment_history"])
        if cards[call.arguments["payment_method_id"]]["balance"] < total:
            return "Decline: the gift card has not enough balance."''',
        keeps=[
            about("modify_pending_order_payment", payment_method_id="gift_card_2", more=[profile(**CARD)]),
            about("modify_pending_order_payment", payment_method_id="credit_card_1", more=[profile(**CARD)]),
        ],
        breaks=[
            about("modify_pending_order_payment", payment_method_id="gift_card_3", more=[profile(**CARD)]),
            about(
                "modify_pending_order_payment",
                payment_method_id="gift_card_2",
                more=[profile(**CARD)],
                order={
                    "payment_history": [
                        {"payment_method_id": "a", "amount": 6},
                        {"payment_method_id": "b", "amount": 5},
                    ]
                },
            ),
        ],
    ),
    status_rule(40, "return_only_delivered", ["return_delivered_order_items"], "delivered"),
    Rule(
        [42],
        [],
        f'''def refund_to_the_original_or_a_gift_card(state, call):
    if call.name == "return_delivered_order_items" and not call.arguments["payment_method_id"].startswith("gift_card"):
        if not any(payment["payment_method_id"] == call.arguments["payment_method_id"] for payment in {LAST}["payment_history"]):
            return "Refund to the original payment method, or to a gift card."''',
        keeps=[
            about("return_delivered_order_items", payment_method_id="credit_card_1"),
            about("return_delivered_order_items", payment_method_id="gift_card_2"),
            about("modify_pending_order_items", payment_method_id="paypal_1"),
        ],
        breaks=[
            about("return_delivered_order_items", payment_method_id="paypal_1"),
            about("return_delivered_order_items", payment_method_id="credit_card_2"),
        ],
    ),
    status_rule(44, "exchange_only_delivered", ["exchange_delivered_order_items"], "delivered"),
]
CHECKABLE = (2, 3, 5, 6, 8, 9, 22, 24, 25, 27, 29, 30, 33, 36, 37, 39, 40, 42, 44, 46, 47, 49)
"""Sentences that a rule before a tool call can decide, at least in part."""
