"""A page in Chromium, with the actions of a person."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


def skip_unless_required(reason: str) -> NoReturn:
    """Skip the test, or fail it where `.ci/run` has installed what the test needs."""
    if os.environ.get("VIPLLAVA_TESTS_NEED_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Page:
    """An open page, with the actions of a person."""

    driver: webdriver.Chrome

    def open(self, page: Path, *, width: int = 1200, height: int = 900) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.driver.get(page.as_uri())
        self.until("document.readyState === 'complete'")
        self.until("list.children.length === rows.length")
        self.until("document.querySelector('.thumb').children.length === 1")

    def js(self, expression: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {expression}", *arguments)

    def until(self, expression: str) -> None:
        WebDriverWait(self.driver, 20).until(lambda _: self.js(expression))

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def ids(self) -> list[str]:
        """Return the ids of the listed rows, in order."""
        found: list[str] = self.js("[...list.children].map((row) => rows[row.dataset.number].id)")
        return found

    def at(self) -> str:
        """Return the id of the row with the focus."""
        focus = "document.activeElement.closest('.row')?.dataset.number"
        found: str = self.js(f"rows[{focus}]?.id ?? ''")
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.js(
            "[...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
        )
        return found

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return found
