"""The columns of the table, brought up to those of the code.

The rules that let writers, committer and readers of different ages work on one table: a column is
only ever added, at the end, with the next field id, and may be null. A file from before it was
added then reads back with nulls. A file from after it, whose writer was deployed before the
committer, is refused and waits in the queue until the committer that adds the column is there.
"""

from typing import Any

from lambdas.lake_committer.errors import SchemaMismatch
from tickwire.lake import iceberg_schema


def add_missing_columns(table: Any) -> None:
    """Add the columns of :data:`tickwire.lake.SCHEMA` that a ``pyiceberg.table.Table`` has not.

    Columns of the table that the code does not know stay: an older committer may come back.

    Raises
    ------
    SchemaMismatch
        If a column has another field id or type than in the table, must not be null, or would get
        another field id than the files that hold it.
    """
    wanted, present = iceberg_schema(), table.schema()
    missing = []
    for field in wanted.fields:
        if field.name not in present.column_names:
            missing.append(field)
            continue
        there = present.find_field(field.name)
        if (there.field_id, there.field_type) != (field.field_id, field.field_type):
            raise SchemaMismatch(f"column {field.name} is {there} in the table and {field} in the code")
    if not missing:
        return
    for field_id, field in enumerate(missing, start=table.metadata.last_column_id + 1):
        if field.required:
            raise SchemaMismatch(f"column {field.name} is new and must not be null, which old files cannot keep to")
        if field.field_id != field_id:
            raise SchemaMismatch(f"column {field.name} has the id {field.field_id}, the table would give it {field_id}")
    with table.update_schema(allow_incompatible_changes=False) as update:
        for field in missing:
            update.add_column(field.name, field.field_type, doc=field.doc)
