"""Boards in an emulator: the wheel and compiled steps run on the processors of boards, as `make boards` does.

Emulation shows bits and refusals. It says nothing of time.
"""
