/* SPDX-License-Identifier: Apache-2.0 */
/* Made by scripts/generate-api from include/slmt/: change those.
 * test_symbols.c - every declared function is in the shared library, under its version. */
/* clang-format off */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#include "slmt/status.h"
#include "slmt/context.h"
#include "slmt/method.h"
#include "slmt/model.h"
#include "slmt/volume.h"
#include "slmt/dataset.h"
#include "slmt/differentiation.h"
#include "slmt/profile.h"
#include "slmt/session.h"
#include "slmt/segment.h"
#include "slmt/trainer.h"
#include "slmt/version.h"
#include "slmt/slmt_net.h"

static const struct {
    const char *name, *version;
    void (*address)(void);
} functions[] = {
    {"slmt_status_name", "SLMT_1", (void (*)(void))slmt_status_name},
    {"slmt_constant_name", "SLMT_1", (void (*)(void))slmt_constant_name},
    {"slmt_error_text", "SLMT_1", (void (*)(void))slmt_error_text},
    {"slmt_error_copy", "SLMT_1", (void (*)(void))slmt_error_copy},
    {"slmt_context_config_init", "SLMT_1", (void (*)(void))slmt_context_config_init},
    {"slmt_context_create", "SLMT_1", (void (*)(void))slmt_context_create},
    {"slmt_context_free", "SLMT_1", (void (*)(void))slmt_context_free},
    {"slmt_context_live_bytes", "SLMT_1", (void (*)(void))slmt_context_live_bytes},
    {"slmt_context_device_bytes", "SLMT_1", (void (*)(void))slmt_context_device_bytes},
    {"slmt_context_set_nan", "SLMT_1", (void (*)(void))slmt_context_set_nan},
    {"slmt_context_set_warning", "SLMT_1", (void (*)(void))slmt_context_set_warning},
    {"slmt_context_describe", "SLMT_1", (void (*)(void))slmt_context_describe},
    {"slmt_method_count", "SLMT_1", (void (*)(void))slmt_method_count},
    {"slmt_method_describe", "SLMT_1", (void (*)(void))slmt_method_describe},
    {"slmt_method_option", "SLMT_1", (void (*)(void))slmt_method_option},
    {"slmt_method_task", "SLMT_1", (void (*)(void))slmt_method_task},
    {"slmt_task_setting", "SLMT_1", (void (*)(void))slmt_task_setting},
    {"slmt_task_input", "SLMT_1", (void (*)(void))slmt_task_input},
    {"slmt_task_output", "SLMT_1", (void (*)(void))slmt_task_output},
    {"slmt_task_metric", "SLMT_1", (void (*)(void))slmt_task_metric},
    {"slmt_preprocess_init", "SLMT_1", (void (*)(void))slmt_preprocess_init},
    {"slmt_model_create", "SLMT_1", (void (*)(void))slmt_model_create},
    {"slmt_model_method", "SLMT_1", (void (*)(void))slmt_model_method},
    {"slmt_model_option", "SLMT_1", (void (*)(void))slmt_model_option},
    {"slmt_model_option_text", "SLMT_1", (void (*)(void))slmt_model_option_text},
    {"slmt_model_load", "SLMT_1", (void (*)(void))slmt_model_load},
    {"slmt_model_load_memory", "SLMT_1", (void (*)(void))slmt_model_load_memory},
    {"slmt_model_load_callback", "SLMT_1", (void (*)(void))slmt_model_load_callback},
    {"slmt_model_save", "SLMT_1", (void (*)(void))slmt_model_save},
    {"slmt_model_retain", "SLMT_1", (void (*)(void))slmt_model_retain},
    {"slmt_model_free", "SLMT_1", (void (*)(void))slmt_model_free},
    {"slmt_model_get_preprocess", "SLMT_1", (void (*)(void))slmt_model_get_preprocess},
    {"slmt_model_set_preprocess", "SLMT_1", (void (*)(void))slmt_model_set_preprocess},
    {"slmt_model_get_geometry", "SLMT_1", (void (*)(void))slmt_model_get_geometry},
    {"slmt_model_set_geometry", "SLMT_1", (void (*)(void))slmt_model_set_geometry},
    {"slmt_model_tensor_count", "SLMT_1", (void (*)(void))slmt_model_tensor_count},
    {"slmt_model_tensor_info", "SLMT_1", (void (*)(void))slmt_model_tensor_info},
    {"slmt_model_get_tensor", "SLMT_1", (void (*)(void))slmt_model_get_tensor},
    {"slmt_model_set_tensor", "SLMT_1", (void (*)(void))slmt_model_set_tensor},
    {"slmt_model_card", "SLMT_1", (void (*)(void))slmt_model_card},
    {"slmt_model_card_key", "SLMT_1", (void (*)(void))slmt_model_card_key},
    {"slmt_model_set_card", "SLMT_1", (void (*)(void))slmt_model_set_card},
    {"slmt_model_contrast_count", "SLMT_1", (void (*)(void))slmt_model_contrast_count},
    {"slmt_model_contrast", "SLMT_1", (void (*)(void))slmt_model_contrast},
    {"slmt_model_set_contrasts", "SLMT_1", (void (*)(void))slmt_model_set_contrasts},
    {"slmt_volume_read", "SLMT_1", (void (*)(void))slmt_volume_read},
    {"slmt_volume_from_nifti", "SLMT_1", (void (*)(void))slmt_volume_from_nifti},
    {"slmt_volume_create", "SLMT_1", (void (*)(void))slmt_volume_create},
    {"slmt_volume_like", "SLMT_1", (void (*)(void))slmt_volume_like},
    {"slmt_volume_resample", "SLMT_1", (void (*)(void))slmt_volume_resample},
    {"slmt_volume_free", "SLMT_1", (void (*)(void))slmt_volume_free},
    {"slmt_volume_dims", "SLMT_1", (void (*)(void))slmt_volume_dims},
    {"slmt_volume_affine", "SLMT_1", (void (*)(void))slmt_volume_affine},
    {"slmt_volume_zeroed", "SLMT_1", (void (*)(void))slmt_volume_zeroed},
    {"slmt_volume_voxels", "SLMT_1", (void (*)(void))slmt_volume_voxels},
    {"slmt_volume_geometry", "SLMT_1", (void (*)(void))slmt_volume_geometry},
    {"slmt_volume_write", "SLMT_1", (void (*)(void))slmt_volume_write},
    {"slmt_volume_nifti_header", "SLMT_1", (void (*)(void))slmt_volume_nifti_header},
    {"slmt_compare", "SLMT_1", (void (*)(void))slmt_compare},
    {"slmt_compare_masked", "SLMT_1", (void (*)(void))slmt_compare_masked},
    {"slmt_metrics_combine", "SLMT_1", (void (*)(void))slmt_metrics_combine},
    {"slmt_metrics_value", "SLMT_1", (void (*)(void))slmt_metrics_value},
    {"slmt_dataset_writer_create", "SLMT_1", (void (*)(void))slmt_dataset_writer_create},
    {"slmt_dataset_writer_add_field", "SLMT_1", (void (*)(void))slmt_dataset_writer_add_field},
    {"slmt_dataset_writer_begin", "SLMT_1", (void (*)(void))slmt_dataset_writer_begin},
    {"slmt_dataset_writer_append", "SLMT_1", (void (*)(void))slmt_dataset_writer_append},
    {"slmt_dataset_writer_end", "SLMT_1", (void (*)(void))slmt_dataset_writer_end},
    {"slmt_dataset_writer_undo", "SLMT_1", (void (*)(void))slmt_dataset_writer_undo},
    {"slmt_dataset_writer_finish", "SLMT_1", (void (*)(void))slmt_dataset_writer_finish},
    {"slmt_dataset_writer_cancel", "SLMT_1", (void (*)(void))slmt_dataset_writer_cancel},
    {"slmt_dataset_open", "SLMT_1", (void (*)(void))slmt_dataset_open},
    {"slmt_dataset_free", "SLMT_1", (void (*)(void))slmt_dataset_free},
    {"slmt_dataset_field_count", "SLMT_1", (void (*)(void))slmt_dataset_field_count},
    {"slmt_dataset_field", "SLMT_1", (void (*)(void))slmt_dataset_field},
    {"slmt_dataset_record_count", "SLMT_1", (void (*)(void))slmt_dataset_record_count},
    {"slmt_dataset_record", "SLMT_1", (void (*)(void))slmt_dataset_record},
    {"slmt_dataset_shape", "SLMT_1", (void (*)(void))slmt_dataset_shape},
    {"slmt_dataset_read", "SLMT_1", (void (*)(void))slmt_dataset_read},
    {"slmt_dataset_source", "SLMT_1", (void (*)(void))slmt_dataset_source},
    {"slmt_dataset_writer_create_mr", "SLMT_1", (void (*)(void))slmt_dataset_writer_create_mr},
    {"slmt_dataset_writer_add_labels", "SLMT_1", (void (*)(void))slmt_dataset_writer_add_labels},
    {"slmt_dataset_writer_add", "SLMT_1", (void (*)(void))slmt_dataset_writer_add},
    {"slmt_dataset_writer_any_spacing", "SLMT_1", (void (*)(void))slmt_dataset_writer_any_spacing},
    {"slmt_dataset_geometry", "SLMT_1", (void (*)(void))slmt_dataset_geometry},
    {"slmt_dataset_writer_add_subject", "SLMT_1", (void (*)(void))slmt_dataset_writer_add_subject},
    {"slmt_dataset_get_preprocess", "SLMT_1", (void (*)(void))slmt_dataset_get_preprocess},
    {"slmt_dataset_contrast_count", "SLMT_1", (void (*)(void))slmt_dataset_contrast_count},
    {"slmt_dataset_contrast", "SLMT_1", (void (*)(void))slmt_dataset_contrast},
    {"slmt_dataset_subject_count", "SLMT_1", (void (*)(void))slmt_dataset_subject_count},
    {"slmt_dataset_subject", "SLMT_1", (void (*)(void))slmt_dataset_subject},
    {"slmt_dataset_subject_split", "SLMT_1", (void (*)(void))slmt_dataset_subject_split},
    {"slmt_dataset_slice_count", "SLMT_1", (void (*)(void))slmt_dataset_slice_count},
    {"slmt_dataset_read_slice", "SLMT_1", (void (*)(void))slmt_dataset_read_slice},
    {"slmt_dataset_cut_labels", "SLMT_1", (void (*)(void))slmt_dataset_cut_labels},
    {"slmt_ranking_options_init", "SLMT_1", (void (*)(void))slmt_ranking_options_init},
    {"slmt_rank_sequences", "SLMT_1", (void (*)(void))slmt_rank_sequences},
    {"slmt_differentiation_map", "SLMT_1", (void (*)(void))slmt_differentiation_map},
    {"slmt_profile_create", "SLMT_1", (void (*)(void))slmt_profile_create},
    {"slmt_profile_free", "SLMT_1", (void (*)(void))slmt_profile_free},
    {"slmt_profile_clear", "SLMT_1", (void (*)(void))slmt_profile_clear},
    {"slmt_session_set_profile", "SLMT_1", (void (*)(void))slmt_session_set_profile},
    {"slmt_trainer_set_profile", "SLMT_1", (void (*)(void))slmt_trainer_set_profile},
    {"slmt_profile_entry_count", "SLMT_1", (void (*)(void))slmt_profile_entry_count},
    {"slmt_profile_entry_at", "SLMT_1", (void (*)(void))slmt_profile_entry_at},
    {"slmt_profile_write_trace", "SLMT_1", (void (*)(void))slmt_profile_write_trace},
    {"slmt_session_create", "SLMT_1", (void (*)(void))slmt_session_create},
    {"slmt_session_memory", "SLMT_1", (void (*)(void))slmt_session_memory},
    {"slmt_session_device_memory", "SLMT_1", (void (*)(void))slmt_session_device_memory},
    {"slmt_session_free", "SLMT_1", (void (*)(void))slmt_session_free},
    {"slmt_session_model", "SLMT_1", (void (*)(void))slmt_session_model},
    {"slmt_session_task", "SLMT_1", (void (*)(void))slmt_session_task},
    {"slmt_session_cancel", "SLMT_1", (void (*)(void))slmt_session_cancel},
    {"slmt_session_set_progress", "SLMT_1", (void (*)(void))slmt_session_set_progress},
    {"slmt_session_set_spacing", "SLMT_1", (void (*)(void))slmt_session_set_spacing},
    {"slmt_session_set_target", "SLMT_1", (void (*)(void))slmt_session_set_target},
    {"slmt_synthesize", "SLMT_1", (void (*)(void))slmt_synthesize},
    {"slmt_synthesize_volume", "SLMT_1", (void (*)(void))slmt_synthesize_volume},
    {"slmt_normalize_volume", "SLMT_1", (void (*)(void))slmt_normalize_volume},
    {"slmt_session_normalize_volume", "SLMT_1", (void (*)(void))slmt_session_normalize_volume},
    {"slmt_session_shape", "SLMT_1", (void (*)(void))slmt_session_shape},
    {"slmt_session_set", "SLMT_1", (void (*)(void))slmt_session_set},
    {"slmt_session_run", "SLMT_1", (void (*)(void))slmt_session_run},
    {"slmt_segmentation_init", "SLMT_1", (void (*)(void))slmt_segmentation_init},
    {"slmt_segment_volume", "SLMT_1", (void (*)(void))slmt_segment_volume},
    {"slmt_segment_slices", "SLMT_1", (void (*)(void))slmt_segment_slices},
    {"slmt_compare_labels", "SLMT_1", (void (*)(void))slmt_compare_labels},
    {"slmt_label_scores_of_counts", "SLMT_1", (void (*)(void))slmt_label_scores_of_counts},
    {"slmt_trainer_create", "SLMT_1", (void (*)(void))slmt_trainer_create},
    {"slmt_trainer_memory", "SLMT_1", (void (*)(void))slmt_trainer_memory},
    {"slmt_trainer_device_memory", "SLMT_1", (void (*)(void))slmt_trainer_device_memory},
    {"slmt_trainer_task", "SLMT_1", (void (*)(void))slmt_trainer_task},
    {"slmt_trainer_setting", "SLMT_1", (void (*)(void))slmt_trainer_setting},
    {"slmt_trainer_setting_text", "SLMT_1", (void (*)(void))slmt_trainer_setting_text},
    {"slmt_trainer_shape", "SLMT_1", (void (*)(void))slmt_trainer_shape},
    {"slmt_trainer_step", "SLMT_1", (void (*)(void))slmt_trainer_step},
    {"slmt_trainer_attach", "SLMT_1", (void (*)(void))slmt_trainer_attach},
    {"slmt_trainer_value_count", "SLMT_1", (void (*)(void))slmt_trainer_value_count},
    {"slmt_trainer_value_name", "SLMT_1", (void (*)(void))slmt_trainer_value_name},
    {"slmt_trainer_value", "SLMT_1", (void (*)(void))slmt_trainer_value},
    {"slmt_trainer_free", "SLMT_1", (void (*)(void))slmt_trainer_free},
    {"slmt_trainer_model", "SLMT_1", (void (*)(void))slmt_trainer_model},
    {"slmt_trainer_get_state", "SLMT_1", (void (*)(void))slmt_trainer_get_state},
    {"slmt_trainer_cancel", "SLMT_1", (void (*)(void))slmt_trainer_cancel},
    {"slmt_trainer_run", "SLMT_1", (void (*)(void))slmt_trainer_run},
    {"slmt_trainer_describe_run", "SLMT_1", (void (*)(void))slmt_trainer_describe_run},
    {"slmt_trainer_time_step", "SLMT_1", (void (*)(void))slmt_trainer_time_step},
    {"slmt_trainer_save", "SLMT_1", (void (*)(void))slmt_trainer_save},
    {"slmt_trainer_load", "SLMT_1", (void (*)(void))slmt_trainer_load},
    {"slmt_checkpoint_describe", "SLMT_1", (void (*)(void))slmt_checkpoint_describe},
    {"slmt_version", "SLMT_1", (void (*)(void))slmt_version},
    {"slmt_file_digest", "SLMT_1", (void (*)(void))slmt_file_digest},
    {"slmt_build_describe", "SLMT_1", (void (*)(void))slmt_build_describe},
    {"slmt_net_options_init", "SLMT_1", (void (*)(void))slmt_net_options_init},
    {"slmt_net_create", "SLMT_1", (void (*)(void))slmt_net_create},
    {"slmt_net_get_options", "SLMT_1", (void (*)(void))slmt_net_get_options},
    {"slmt_net_session_config_init", "SLMT_1", (void (*)(void))slmt_net_session_config_init},
    {"slmt_net_session_memory", "SLMT_1", (void (*)(void))slmt_net_session_memory},
    {"slmt_net_session_create", "SLMT_1", (void (*)(void))slmt_net_session_create},
    {"slmt_net_trainer_config_init", "SLMT_1", (void (*)(void))slmt_net_trainer_config_init},
    {"slmt_net_trainer_memory", "SLMT_1", (void (*)(void))slmt_net_trainer_memory},
    {"slmt_net_trainer_create", "SLMT_1", (void (*)(void))slmt_net_trainer_create},
    {"slmt_net_trainer_get_config", "SLMT_1", (void (*)(void))slmt_net_trainer_get_config},
    {"slmt_net_pretrain_step", "SLMT_1", (void (*)(void))slmt_net_pretrain_step},
    {"slmt_net_finetune_step", "SLMT_1", (void (*)(void))slmt_net_finetune_step},
};

int main(void)
{
    size_t count = sizeof functions / sizeof *functions;
    int missing = 0;
    for (size_t i = 0; i < count; i++)
        if (!functions[i].address || !dlvsym(RTLD_DEFAULT, functions[i].name, functions[i].version)) {
            printf("%s is not in the library, or not as %s\n", functions[i].name, functions[i].version);
            missing++;
        }
    printf("%zu functions, %d missing\n", count, missing);
    return missing != 0;
}
