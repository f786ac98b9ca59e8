-- SPDX-License-Identifier: Apache-2.0
-- Replicas of a service on as many nodes as possible; among equals, the node with the most room.

local function used(reserved, capacity)
	return capacity > 0 and reserved / capacity or 0
end

return {
	score = function(node, _)
		local load = used(node.memory_reserved, node.memory) + used(node.cpu_reserved, node.cpu)
		return -1000 * node.instances_of_service - 10 * node.instances - load
	end,
}
