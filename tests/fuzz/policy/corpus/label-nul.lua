return {score = function(node) return node.labels['site=oslo\0' .. node.name] and 1 or 2 end}
