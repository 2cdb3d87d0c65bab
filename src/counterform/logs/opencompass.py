"""OpenCompass: predictions, one JSON object a dataset, which hold the response and the key and no score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from counterform.logs.reader import About, Broken, Head, LogReader, Row, content_id, key_text, message_text
from counterform.logs.streams import members

NO_SCORE = "OpenCompass predictions hold no score"


class OpenCompass(LogReader):
    """Predictions of OpenCompass. A row's name is its place, so pairs are made by prompt and key."""

    name = "opencompass"

    def recognises(self, head: Head) -> bool:
        """An object of objects with the prompt and the prediction."""
        first = next(iter(head.row.values()), None)
        return (
            head.container in ("json", "jsonl")
            and isinstance(first, dict)
            and first.keys() >= {"origin_prompt", "prediction"}
        )

    def about(self, path: Path) -> About:
        """The model, from where OpenCompass puts its predictions: predictions/MODEL/DATASET.json."""
        return About(model=path.resolve().parent.name)

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each prediction; of several samples each is one."""
        model = self.about(path).model
        for name, value in members(path):
            if not (isinstance(value, dict) and "prediction" in value):
                broken.add(f"entry {name}", "no prediction")
                continue
            prompt, gold = message_text(value.get("origin_prompt")), value.get("gold")
            item = content_id(prompt, gold)
            predicted = value["prediction"]
            for text in predicted if isinstance(predicted, list) else [predicted]:
                yield Row(
                    item=item,
                    identified="content",
                    content=item,
                    prompt=prompt,
                    failure=NO_SCORE,
                    text=message_text(text),
                    key=key_text(gold),
                    model=model,
                    task=path.stem,
                    columns=value,
                )
