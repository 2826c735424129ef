// Before anything is painted: the theme that was chosen, if one was.
"use strict";
try {
  const theme = localStorage.getItem("barback-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: as the system says.
}
