"""The run directory and its file formats. Alone knows them.

run_dir.py    the directory: what stands where, read and written
records.py    what is kept of a finished unit of work, and when it stands
claim.py      one worker a unit
appearing.py  files that appear whole or not at all
rows.py       structs as Arrow rows
keys.py       hashes
process.py    this process and others, by name
"""

from counterform.store.appearing import disk_errors
from counterform.store.claim import Claim, Claimed, claimed, holder_of
from counterform.store.keys import key_of, key_of_path
from counterform.store.records import ASKED, CRITIQUES, DROPPED, KEPT, Record, Records, file_of, prune
from counterform.store.rows import Row, arrow_schema, rows_of, table_of
from counterform.store.run_dir import MARK, SCHEMA, RunDir, finished_run, open_run

__all__ = [
    "ASKED",
    "CRITIQUES",
    "DROPPED",
    "KEPT",
    "MARK",
    "SCHEMA",
    "Claim",
    "Claimed",
    "Record",
    "Records",
    "Row",
    "RunDir",
    "arrow_schema",
    "claimed",
    "disk_errors",
    "file_of",
    "finished_run",
    "holder_of",
    "key_of",
    "key_of_path",
    "open_run",
    "prune",
    "rows_of",
    "table_of",
]
