"""The oracle: from what the API server holds, the configuration and the hardware, what an operator must report.

Pure: no input or output, no clock, nothing of any operator's code. Everything here is computed from history records.
"""
