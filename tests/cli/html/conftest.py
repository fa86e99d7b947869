"""A browser that the tests of the pages share."""

import json
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.support.browser import CHROMIUM, DRIVER, Page, skip_unless_required


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    if not CHROMIUM or not DRIVER:
        skip_unless_required(
            "no Chromium here: on Debian, apt-get install chromium chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: webdriver.Chrome) -> Iterator[Page]:
    """A browser. The test fails if the page logs anything or sends a request."""
    opened = Page(driver)
    for kind in ("browser", "performance"):
        driver.get_log(kind)  # type: ignore[no-untyped-call]
    yield opened
    assert opened.log() == []
    sent = [
        message["params"]["request"]["url"]
        for entry in driver.get_log("performance")  # type: ignore[no-untyped-call]
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert [url for url in sent if not url.startswith(("file:///", "data:"))] == []
