"""What the guide's programs import: clients that behave as the SDK's do (tests/component/iotcore/aws_v1_client.py)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "tests" / "component" / "iotcore"))
from aws_v1_client import AWSIoTMQTTClient, AWSIoTMQTTShadowClient  # noqa: E402, F401
