// Follows the end of a log as lines come, unless its reader has scrolled up.
"use strict";
(() => {
  const log = () => document.querySelector("[data-follow]");
  let following = true;

  function follow() {
    const lines = log();
    if (lines && following) lines.scrollTop = lines.scrollHeight;
  }

  document.addEventListener(
    "scroll",
    ({ target }) => {
      if (target === log()) following = target.scrollHeight - target.scrollTop - target.clientHeight < 8;
    },
    true,
  );
  new MutationObserver(follow).observe(document.querySelector("#living"), { childList: true, subtree: true });
  follow();
})();
