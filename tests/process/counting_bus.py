"""A Modbus TCP server (python3-pymodbus) whose registers count the polls they answer, in a thread of the test's process.

Input registers of each unit: 0-1 the number of this answer (u32, ABCD), 2 temperature (s16, 0.1 Cel), 3 humidity (u16, 0.1 %).
Every answer is remembered with its time, so a test knows exactly which readings exist in the world.
Holding registers 10 to 19 can be written, begin at 0, and remember every write with its time.
"""
import asyncio
import threading
import time

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext
from pymodbus.exceptions import NoSuchSlaveException
from pymodbus.server.async_io import ModbusTcpServer


HOLDING = range(10, 20)


class CountingUnit(ModbusSlaveContext):
    """One unit; its answers are numbered from 1."""

    def __init__(self, unit):
        super().__init__()
        self.unit = unit
        self.answers = []  # (number, time.time()) of every answer
        self.mode = "ok"   # "ok" or "silent"
        self.holding = dict.fromkeys(HOLDING, 0)
        self.writes = []   # (address, value, time.time()) of every register written

    def validate(self, fc_as_hex, address, count=1):
        if address in HOLDING:
            return fc_as_hex in (3, 6, 16) and address + count - 1 in HOLDING
        return fc_as_hex in (3, 4) and address + count <= 4

    def getValues(self, fc_as_hex, address, count=1):
        if address in HOLDING:
            return [self.holding[register] for register in range(address, address + count)]
        number = len(self.answers) + 1
        self.answers.append((number, time.time()))
        registers = [number >> 16, number & 0xFFFF, 200 + number % 50, 500 + number % 100]
        return registers[address:address + count]


    def setValues(self, fc_as_hex, address, values):
        for register, value in enumerate(values, address):
            self.holding[register] = value
            self.writes.append((register, value, time.time()))


class _Units(ModbusServerContext):
    """The units of the bus; a silent one is as good as not there."""

    def __init__(self, units):
        super().__init__(slaves=units, single=False)
        self.units = units

    def __getitem__(self, unit):
        if unit not in self.units or self.units[unit].mode == "silent":
            raise NoSuchSlaveException(f"unit {unit} does not answer")
        return self.units[unit]


class CountingBus:
    """`with CountingBus(units=[1, 2]) as bus:` serves on 127.0.0.1:bus.port until the block ends."""

    def __init__(self, units, port=0):
        self.units = {unit: CountingUnit(unit) for unit in units}
        self.port = port
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the Modbus server did not start")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = ModbusTcpServer(_Units(self.units), address=("127.0.0.1", self.port), allow_reuse_address=True,
                                 ignore_missing_slaves=True)
        serving = asyncio.ensure_future(server.serve_forever())
        while server.server is None:
            await asyncio.sleep(0.01)
        self.port = server.server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.server.close()
        serving.cancel()
