# shadow_client.py
# AWS IoT Device Shadow client

from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTShadowClient
import json
import time

# Configuration
IOT_ENDPOINT = "xxxx-ats.iot.us-east-1.amazonaws.com"
THING_NAME = "sensor-001"
ROOT_CA = "./AmazonRootCA1.pem"
CERT_FILE = "./device.cert.pem"
KEY_FILE = "./device.private.key"

# Shadow callback functions
def shadow_update_callback(payload, response_status, token):
    """Called when shadow update completes"""
    if response_status == "accepted":
        print(f"Shadow update accepted: {token}")
    else:
        print(f"Shadow update {response_status}: {payload}")

def shadow_get_callback(payload, response_status, token):
    """Called when shadow get completes"""
    if response_status == "accepted":
        shadow_doc = json.loads(payload)
        print(f"Current shadow state: {json.dumps(shadow_doc, indent=2)}")
    else:
        print(f"Shadow get {response_status}")

def shadow_delta_callback(payload, response_status, token):
    """Called when there is a delta between desired and reported state"""
    delta = json.loads(payload)
    print(f"Shadow delta received: {delta}")

    # Extract desired state changes
    if "state" in delta:
        state = delta["state"]

        # Apply changes to device
        if "sample_interval" in state:
            new_interval = state["sample_interval"]
            print(f"Updating sample interval to: {new_interval}")
            apply_configuration(sample_interval=new_interval)

        # Report updated state
        report_state(state)

def apply_configuration(**kwargs):
    """Apply configuration changes to device"""
    # Implementation depends on your device
    print(f"Applying configuration: {kwargs}")

def report_state(state):
    """Report current state to shadow"""
    shadow_handler.shadowUpdate(
        json.dumps({"state": {"reported": state}}),
        shadow_update_callback,
        5
    )

def main():
    global shadow_handler

    # Create shadow client
    shadow_client = AWSIoTMQTTShadowClient(THING_NAME)
    shadow_client.configureEndpoint(IOT_ENDPOINT, 8883)
    shadow_client.configureCredentials(ROOT_CA, KEY_FILE, CERT_FILE)

    # Configure connection
    shadow_client.configureAutoReconnectBackoffTime(1, 32, 20)
    shadow_client.configureConnectDisconnectTimeout(10)
    shadow_client.configureMQTTOperationTimeout(5)

    # Connect
    print(f"Connecting to {IOT_ENDPOINT}...")
    shadow_client.connect()
    print("Connected")

    # Create shadow handler
    shadow_handler = shadow_client.createShadowHandlerWithName(
        THING_NAME,
        True  # isPersistentSubscribe
    )

    # Register delta callback
    shadow_handler.shadowRegisterDeltaCallback(shadow_delta_callback)

    # Get current shadow state
    shadow_handler.shadowGet(shadow_get_callback, 5)

    # Main loop - report state periodically
    try:
        while True:
            # Read current sensor state
            current_state = {
                "temperature": read_temperature(),
                "humidity": read_humidity(),
                "timestamp": int(time.time())
            }

            # Update shadow with reported state
            shadow_doc = {
                "state": {
                    "reported": current_state
                }
            }

            shadow_handler.shadowUpdate(
                json.dumps(shadow_doc),
                shadow_update_callback,
                5
            )

            time.sleep(60)

    except KeyboardInterrupt:
        print("Disconnecting...")
        shadow_client.disconnect()

def read_temperature():
    """Read temperature from sensor"""
    import random
    return round(20 + random.uniform(-5, 5), 2)

def read_humidity():
    """Read humidity from sensor"""
    import random
    return round(50 + random.uniform(-10, 10), 1)

if __name__ == "__main__":
    main()
