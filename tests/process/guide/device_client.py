# device_client.py
# Complete AWS IoT device client

from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient
import json
import time
import logging

# Configure logging
logging.basicConfig(level=logging.INFO)
logger = logging.getLogger(__name__)

# Configuration
IOT_ENDPOINT = "xxxx-ats.iot.us-east-1.amazonaws.com"
THING_NAME = "sensor-001"
ROOT_CA = "./AmazonRootCA1.pem"
CERT_FILE = "./device.cert.pem"
KEY_FILE = "./device.private.key"

# Topics
TELEMETRY_TOPIC = f"sensors/{THING_NAME}/temperature"
COMMAND_TOPIC = f"commands/{THING_NAME}/#"

def command_callback(client, userdata, message):
    """Handle incoming commands"""
    logger.info(f"Received command on {message.topic}")
    try:
        command = json.loads(message.payload.decode())
        logger.info(f"Command payload: {command}")

        # Process command
        if command.get("action") == "reboot":
            handle_reboot()
        elif command.get("action") == "update_config":
            handle_config_update(command.get("config", {}))

    except json.JSONDecodeError:
        logger.error("Invalid JSON in command")

def handle_reboot():
    """Handle reboot command"""
    logger.info("Reboot command received")
    # Implement device reboot logic

def handle_config_update(config):
    """Handle configuration update"""
    logger.info(f"Updating config: {config}")
    # Implement config update logic

def main():
    # Create MQTT client
    mqtt_client = AWSIoTMQTTClient(THING_NAME)
    mqtt_client.configureEndpoint(IOT_ENDPOINT, 8883)
    mqtt_client.configureCredentials(ROOT_CA, KEY_FILE, CERT_FILE)

    # Configure connection settings
    mqtt_client.configureAutoReconnectBackoffTime(1, 32, 20)
    mqtt_client.configureOfflinePublishQueueing(-1)  # Infinite queue
    mqtt_client.configureDrainingFrequency(2)  # 2 Hz
    mqtt_client.configureConnectDisconnectTimeout(10)
    mqtt_client.configureMQTTOperationTimeout(5)

    # Connect
    logger.info(f"Connecting to {IOT_ENDPOINT}...")
    mqtt_client.connect()
    logger.info("Connected")

    # Subscribe to command topic
    mqtt_client.subscribe(COMMAND_TOPIC, 1, command_callback)
    logger.info(f"Subscribed to {COMMAND_TOPIC}")

    # Main telemetry loop
    try:
        while True:
            # Read sensor data
            payload = {
                "device_id": THING_NAME,
                "temperature": read_temperature(),
                "humidity": read_humidity(),
                "timestamp": int(time.time() * 1000)
            }

            # Publish telemetry
            mqtt_client.publish(TELEMETRY_TOPIC, json.dumps(payload), 1)
            logger.info(f"Published: {payload}")

            time.sleep(30)

    except KeyboardInterrupt:
        logger.info("Shutting down...")
    finally:
        mqtt_client.disconnect()

def read_temperature():
    import random
    return round(22 + random.uniform(-3, 3), 2)

def read_humidity():
    import random
    return round(55 + random.uniform(-5, 5), 1)

if __name__ == "__main__":
    main()
