include $(sort $(wildcard $(BR2_EXTERNAL_ROOST_PATH)/package/*/*.mk))
