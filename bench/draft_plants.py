"""Wrong drafts made of right ones, one fault each, by rules of their own: not those of the mutants that drafts are proven with."""

import ast
import copy

KEYS = {
    "passengers": ["flights", "payment_methods"],
    "total_baggages": ["nonfree_baggages"],
    "nonfree_baggages": ["total_baggages"],
    "payment_methods": ["passengers", "flights"],
    "cabin": ["insurance", "flight_type"],
    "insurance": ["cabin"],
    "membership": ["user_id"],
    "created_at": ["date"],
    "flights": ["passengers"],
    "flight_number": ["date"],
    "date": ["flight_number"],
    "payment_id": ["amount", "reservation_id"],
    "status": ["order_id", "user_id"],
    "reason": ["order_id"],
    "payment_history": ["items"],
    "payment_method_id": ["order_id", "amount"],
    "order_id": ["item_id", "payment_method_id"],
    "balance": ["amount", "source"],
    "amount": ["balance"],
    "due": ["lent", "fee"],
    "days": ["books"],
    "books": ["days"],
    "age": ["fee"],
    "fee": ["age"],
    "kind": ["title"],
}
FLIPPED = {
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


def plants(code, box):
    """(kind: what, code) of each fault, each text once and none that is the rule itself."""
    tree = ast.parse(code)
    skip = {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.Return | ast.Raise) for inner in ast.walk(node)
    }
    places = [at for at, node in enumerate(ast.walk(tree)) if id(node) not in skip]
    found = {}
    for at in places:
        for kind, edit in _edits(list(ast.walk(tree))[at], box):
            wrong = copy.deepcopy(tree)
            node = list(ast.walk(wrong))[at]
            try:
                edit(node)
                text = ast.unparse(wrong)
            except (IndexError, ValueError):
                continue
            if text != ast.unparse(tree):
                found.setdefault(
                    text, f"{kind}: line {getattr(node, 'lineno', '?')}: {_difference(ast.unparse(tree), text)}"
                )
    return [(what, text) for text, what in found.items()]


def _edits(node, box):
    def put(name, value):
        return lambda it: setattr(it, name, value)

    match node:
        case ast.Constant(value=bool() | None):
            return
        case ast.Constant(value=int(n)):
            for other in (n + 1, n - 1, n * 2, n * 10, 7):
                yield "bound moved", put("value", other)
        case ast.Constant(value="user"):
            yield "role swapped", put("value", "assistant")
        case ast.Constant(value=str(text)) if text in box.tools:
            near = sorted(
                (t for t in box.tools if t != text), key=lambda t: -len(set(t.split("_")) & set(text.split("_")))
            )
            for other in near[:3]:
                yield "wrong tool", put("value", other)
        case ast.Constant(value=str(text)) if text in KEYS:
            for other in KEYS[text]:
                yield "wrong field", put("value", other)
        case ast.Constant(value="yes"):
            yield "wrong value", put("value", "no")
        case ast.Constant(value=str(text)) if text.replace("_", "").replace(" ", "").isalpha():
            for group in (
                ("pending", "delivered", "cancelled", "processed"),
                ("basic_economy", "economy", "business"),
                ("regular", "silver", "gold"),
                ("certificate", "gift_card", "credit_card"),
                ("adult", "child", "film", "book"),
            ):
                for other in group if text in group else ():
                    if other != text:
                        yield "wrong value", put("value", other)
        case ast.Compare(ops=[op]):
            for other in FLIPPED.get(type(op), ()):
                kind = "condition negated" if other in (ast.NotEq, ast.Eq, ast.NotIn, ast.In) else "comparison swapped"
                yield kind, lambda it, other=other: it.ops.__setitem__(0, other())
            if (
                not isinstance(op, ast.In | ast.NotIn)
                and not isinstance(node.left, ast.Constant)
                and not isinstance(node.comparators[0], ast.Constant)
            ) and not isinstance(op, ast.Eq | ast.NotEq):
                yield "sides swapped", _swap
        case ast.BoolOp(values=values):
            for at in range(len(values)):
                yield "condition dropped", lambda it, at=at: it.values.pop(at)
            yield "and, or", lambda it: setattr(it, "op", ast.Or() if isinstance(it.op, ast.And) else ast.And())
        case ast.If(body=body):
            if (
                isinstance(body[0], ast.Return)
                and isinstance(body[0].value, ast.Constant)
                and body[0].value.value is None
            ):
                yield "exception dropped", put("test", ast.Constant(False))
            else:
                yield "condition dropped", put("test", ast.Constant(True))
                yield "branch dropped", put("test", ast.Constant(False))
            yield "condition negated", lambda it: setattr(it, "test", ast.UnaryOp(ast.Not(), it.test))
        case ast.UnaryOp(op=ast.Not()):
            yield (
                "condition negated",
                lambda it: (setattr(it, "op", ast.Not()), setattr(it, "operand", ast.UnaryOp(ast.Not(), it.operand))),
            )
        case ast.Tuple(elts=items) if len(items) > 1:
            for at in range(len(items)):
                yield "one left out", lambda it, at=at: it.elts.pop(at)
        case ast.Call(func=ast.Name(id="any")):
            yield "any became all", lambda it: setattr(it.func, "id", "all")
        case ast.Call(func=ast.Name(id="max")):
            yield "max became min", lambda it: setattr(it.func, "id", "min")
        case ast.BinOp(op=ast.Sub()):
            yield (
                "sides swapped",
                lambda it: (lambda a, b: (setattr(it, "left", b), setattr(it, "right", a)))(it.left, it.right),
            )
        case ast.keyword(arg="hours"):
            yield "wrong unit", put("arg", "days")


def _swap(it):
    it.left, it.comparators[0] = it.comparators[0], it.left


def _difference(a, b):
    at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    start = max(0, at - 25)
    return f"…{' '.join(b[start : at + 30].split())}…"
