"""Who does the units of a stage: this process, several of this machine, a Ray cluster, SLURM. Nothing here schedules.

executor.py  what all of them are, and what they tell
hand_out.py  one stage: its units handed out in order
here.py      this process
local.py     processes of this machine
on_ray.py    tasks of a Ray cluster
on_slurm.py  array jobs
serving.py   the other end: a process that is told names of units, and tells what becomes of them
share.py     how many workers, and how many threads and which accelerators each has
progress.py  what somebody sees who looks on
"""
