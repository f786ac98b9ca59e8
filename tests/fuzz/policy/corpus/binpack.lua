-- SPDX-License-Identifier: Apache-2.0
-- Fills one node before the next, so that whole nodes stay free. The formula is best fit as Google's cluster papers
-- describe it: 20 - (10^free_cpu + 10^free_memory), where free is a share from 0 to 1. Most full scores highest.

local function free(reserved, wanted, capacity)
	if capacity <= 0 then
		return 0
	end
	return math.max(0, 1 - (reserved + wanted) / capacity)
end

return {
	score = function(node, service)
		local cpu = free(node.cpu_reserved, service.cpu, node.cpu)
		local memory = free(node.memory_reserved, service.memory, node.memory)
		local fit = 20 - (10 ^ cpu + 10 ^ memory)
		-- Services that reserve nothing: the count decides.
		return fit * 1000 + math.min(node.instances, 999)
	end,
}
