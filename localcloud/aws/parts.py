"""Single items of tables and messages of queues: one change of a large state is a small record (sessions:
``iam.sessions``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from localcloud.aws import hooks
from localcloud.aws.journal import Record

PAYLOAD = "payload"
"""Where a state's file has what its service restores."""


class Parts(Protocol):
    """Follows what changed in one service."""

    key: str

    def take(self) -> list[Record] | None:
        """Records of all changes since the last call; None when only the whole state says it."""


class Items:
    """Items of DynamoDB's tables, and the tokens of its transactions. MiniStack writes and removes each in
    one place.

    Stock MiniStack forgets the tokens, so that a client that got no answer would hear that its own
    transaction stands in its way.
    """

    key = "dynamodb"
    _TOKENS = "transaction_tokens"

    def __init__(self) -> None:
        self._changed: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._tokens: list[tuple[str, str]] = []
        self._whole = False

    def install(self) -> None:
        """Follow these places, and the one that says that a table was filled anew."""
        self._install_tokens()
        put, remove, replaced = (
            hooks.dynamodb._set_item,
            hooks.dynamodb._remove_item,
            hooks.dynamodb._items_replaced,
        )

        def set_item(table: dict[str, Any], partition: str, sort: str, item: Any) -> Any:
            before = put(table, partition, sort, item)
            self._changed[(table["TableArn"], partition, sort)] = table
            return before

        def remove_item(table: dict[str, Any], partition: str, sort: str) -> Any:
            before = remove(table, partition, sort)
            self._changed[(table["TableArn"], partition, sort)] = table
            return before

        def items_replaced(table: dict[str, Any]) -> None:
            self._whole = True
            replaced(table)

        hooks.dynamodb._set_item = set_item
        hooks.dynamodb._remove_item = remove_item
        hooks.dynamodb._items_replaced = items_replaced

    def _install_tokens(self) -> None:
        store, state, load = (
            hooks.dynamodb._txn_token_store,
            hooks.dynamodb.get_state,
            hooks.dynamodb.load_persisted_state,
        )

        def remember(token: str, entry: dict[str, Any]) -> None:
            store(token, entry)
            self._tokens.append(
                (hooks.scoped_key(hooks.account(), hooks.region(), token), hooks.encode_state(entry))
            )

        def load_with_tokens(data: dict[str, Any]) -> None:
            load(data)
            hooks.dynamodb._txn_idempotency.update(data.get(self._TOKENS) or {})

        hooks.dynamodb._txn_token_store = remember
        hooks.dynamodb.get_state = lambda: {**state(), self._TOKENS: hooks.dynamodb._txn_idempotency}
        hooks.dynamodb.load_persisted_state = load_with_tokens

    def take(self) -> list[Record] | None:
        changed, self._changed = self._changed, {}
        tokens, self._tokens = self._tokens, []
        whole, self._whole = self._whole, False
        place = (PAYLOAD, self._TOKENS)
        records = [Record(self.key, entry, (*place, "data", token)) for token, entry in tokens]
        if records:
            records.append(Record(self.key, "true", (*place, hooks.SCOPED)))
        return None if whole else [*records, *self._records(changed)]

    def _records(self, changed: dict[tuple[str, str, str], dict[str, Any]]) -> Iterator[Record]:
        tables: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {}
        for (arn, partition, sort), table in changed.items():
            _, _, _, region, account, resource = arn.split(":", 5)
            place: tuple[str, ...] = (
                PAYLOAD,
                "tables",
                "data",
                hooks.scoped_key(account, region, resource.partition("/")[2]),
            )
            tables[arn] = (place, table)
            item = table["items"].get(partition, {}).get(sort)
            yield Record(
                self.key,
                None if item is None else hooks.encode_state(item),
                (*place, "items", str(partition), str(sort)),
            )
        for place, table in tables.values():
            for counter in ("ItemCount", "TableSizeBytes"):
                yield Record(self.key, json.dumps(table.get(counter, 0)), (*place, counter))


class Messages:
    """Messages of SQS. They change in many places and threads, so their looks are compared."""

    key = "sqs"
    _FIFO = ("dedup_cache", "fifo_seq")

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], dict[str, tuple[Any, ...]]] = {}

    def take(self) -> list[Record] | None:
        records: list[Record] = []
        for (account, region, url), queue in list(hooks.sqs._queues.all_items()):
            before, now = self._seen.get((account, region, url), {}), {}
            place = (PAYLOAD, "queues", "data", hooks.scoped_key(account, region, url))
            for message in list(queue["messages"]):
                look = (message["visible_at"], message["receive_count"], message.get("receipt_handle"))
                now[message["id"]] = look
                if before.get(message["id"]) != look:
                    records.append(
                        Record(self.key, hooks.encode_state(message), (*place, "messages"), message["id"])
                    )
            records += [
                Record(self.key, None, (*place, "messages"), gone) for gone in before.keys() - now.keys()
            ]
            if queue.get("is_fifo") and before != now:
                records += [
                    Record(self.key, hooks.encode_state(queue[name]), (*place, name)) for name in self._FIFO
                ]
            self._seen[(account, region, url)] = now
        return records
