"""From files as people have them to cafes in the store and jobs in the queue (C1).

decoding.py   bytes to lines: encodings, files that are no text
records.py    lines to cells: quotes, and what to do when they do not match
columns.py    which column is which
reader.py     cells to cafes, or to a refusal that names the line and the reason
importer.py   batches into the store, then into the queue
"""
