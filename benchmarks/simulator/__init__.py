"""An invented online shop: its customers, its traffic, one attack, and the truth about both.

``words`` → ``draw`` → ``people`` (tables) and ``traffic``, ``staff``, ``hosts`` (ordinary events) and ``attack`` (events and what they returned)
→ ``lines`` (events as log lines) and ``truth`` (the expected answer). ``benchmarks.simulate`` puts them on disk. Nothing here imports the product.
"""
